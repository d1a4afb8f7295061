//! Who sends back the token of a write reads that write, or is told to wait.

use std::time::Duration;

use hello_testkit::{Mode, PgServer, Poll, StopMode, wait_until};
use hyper::{Method, StatusCode};

use crate::support::service::Service;

/// A primary, a replica that does not replay, and a service on both; Ana was stored after the replica stopped.
struct Behind {
    primary: PgServer,
    replica: PgServer,
    service: Service,
    token: String,
    cookie: String,
}

async fn behind() -> Behind {
    let primary = PgServer::start().await;
    let replica = primary.replica().await;
    let url =
        format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", primary.port(), replica.port());
    let service = Service::start(&[("DATABASE_URL", &url)]).await;
    service.wait_ready("replica", "primary").await;
    replica.catch_up_with(&primary).await;
    replica.pause_replay().await;
    let written = service.put("Ana", "1990-12-31").await;
    assert_eq!(written.status, StatusCode::CREATED);
    let token = written.header("hello-consistency").to_owned();
    let cookie = written.header("set-cookie").to_owned();
    Behind { primary, replica, service, token, cookie }
}

async fn read(service: &Service, headers: &[(&str, &str)]) -> StatusCode {
    service.send(Method::GET, "/hello/Ana", headers, "").await.status
}

#[tokio::test]
async fn a_client_reads_its_own_write_by_header_or_cookie_while_the_replica_is_behind() {
    let Behind { primary: _primary, replica, service, token, cookie } = behind().await;
    assert_eq!(read(&service, &[]).await, StatusCode::NOT_FOUND, "the replica really is behind");
    assert_eq!(read(&service, &[("hello-consistency", &token)]).await, StatusCode::OK);
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(pair, format!("hello-consistency={token}"));
    assert_eq!(attributes, " Path=/hello; HttpOnly; SameSite=Lax");
    assert_eq!(read(&service, &[("cookie", &format!("a=b; {pair}; c=d"))]).await, StatusCode::OK);
    replica.resume_replay().await;
    wait_until("the replica has it", Duration::from_secs(60), async || {
        let status = read(&service, &[]).await;
        Poll::ready_if(status == StatusCode::OK, status)
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_ignored() {
    let Behind { primary: _primary, replica: _replica, service, token, .. } = behind().await;
    let mut forged = token.clone().into_bytes();
    forged[5] = if forged[5] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for token in [forged.as_str(), "", "garbage", &"A".repeat(48), &"A".repeat(10_000)] {
        assert_eq!(read(&service, &[("hello-consistency", token)]).await, StatusCode::NOT_FOUND, "{token}");
    }
}

#[tokio::test]
async fn without_a_host_that_has_replayed_the_token_the_answer_is_503_and_not_an_old_one() {
    let Behind { primary, replica, service, token, .. } = behind().await;
    primary.stop(StopMode::Immediate).await;
    service.wait_ready("replica", "unavailable").await;
    assert_eq!(read(&service, &[]).await, StatusCode::NOT_FOUND, "without a token an old answer is fine");
    let refused = service.send(Method::GET, "/hello/Ana", &[("hello-consistency", &token)], "").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.problem(), "not-yet-replayed");
    primary.restart().await;
    replica.resume_replay().await;
    wait_until("the token is served", Duration::from_secs(60), async || {
        let status = read(&service, &[("hello-consistency", &token)]).await;
        Poll::ready_if(status == StatusCode::OK, status)
    })
    .await;
}

#[tokio::test]
async fn the_cookie_is_secure_behind_https_and_a_delete_gives_a_token_too() {
    let server = PgServer::start().await;
    let service = Service::start(&[("DATABASE_URL", &server.url("postgres", "postgres"))]).await;
    service.wait_ready("primary", "primary").await;
    let headers = [("content-type", "application/json"), ("x-forwarded-proto", "https")];
    let written = service.send(Method::PUT, "/hello/Ana", &headers, r#"{"dateOfBirth":"1990-12-31"}"#).await;
    assert!(written.header("set-cookie").ends_with("; Secure"), "{written:?}");
    let deleted = service.administer(Method::DELETE, "/hello/Ana").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(deleted.header("hello-consistency").len(), 48);
    assert_eq!(service.administer(Method::DELETE, "/hello/Ana").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_far_replica_that_has_not_replayed_the_token_answers_503_until_it_has() {
    let primary = PgServer::start().await;
    let (near, far) = (primary.replica().await, primary.replica().await);
    let (to_primary, to_near) = (primary.proxy(), near.proxy());
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", to_primary.port(), to_near.port());
    let service = Service::start(&[
        ("DB_HOSTS", &*hosts),
        ("DB_FAR_HOSTS", &*format!("127.0.0.1:{}", far.port())),
        ("DB_USER", "postgres"),
        ("DB_NAME", "postgres"),
        ("DB_PASSWORD", "not asked for here"),
        ("DB_SSLMODE", "disable"),
    ])
    .await;
    service.wait_ready("replica", "primary").await;
    assert_eq!(service.put("Ben", "1990-12-31").await.status, StatusCode::CREATED);
    far.catch_up_with(&primary).await;
    far.pause_replay().await;
    let written = service.put("Ana", "1990-12-31").await;
    assert_eq!(written.status, StatusCode::CREATED);
    let token = [("hello-consistency", written.header("hello-consistency"))];

    // Both hosts of this region vanish without a word; the far one goes on receiving, but shows what it shows now.
    to_near.set_mode(Mode::BlackHole);
    to_primary.set_mode(Mode::BlackHole);
    service.wait_ready("far", "unavailable").await;
    assert_eq!(service.get("/hello/Ben").await.status, StatusCode::OK);
    assert_eq!(read(&service, &[]).await, StatusCode::NOT_FOUND, "without a token an old answer is fine");
    for _ in 0..20 {
        let refused = service.send(Method::GET, "/hello/Ana", &token, "").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.problem(), "not-yet-replayed");
        assert_eq!(refused.header("retry-after"), "1");
    }
    far.resume_replay().await;
    wait_until("the token is served", Duration::from_secs(60), async || {
        let status = read(&service, &token).await;
        assert_ne!(status, StatusCode::NOT_FOUND, "an old answer");
        Poll::ready_if(status == StatusCode::OK, status)
    })
    .await;
    assert_eq!(service.get("/health/ready").await.json()["reads"], "far");
}
