//! A promotion is followed, and the old primary is left alone from then on.

use std::time::Duration;

use hello_testkit::{PgServer, Poll, StopMode, wait_until};
use hyper::{Method, StatusCode};

use crate::support::service::{BUSY, Service};
use crate::support::urls::url;

/// How often a user of this name is stored on a server.
async fn count(server: &PgServer, username: &str) -> i64 {
    let client = server.client().await;
    let row = client.query_one("select count(*) from users where username = $1", &[&username]).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_promotion_is_followed_and_the_old_primary_fenced() {
    let old = PgServer::start().await;
    let new = old.replica().await;
    let service = Service::start(&[("DATABASE_URL", &url(&[&old, &new]))]).await;
    service.wait_ready("replica", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    new.catch_up_with(&old).await;

    // The old primary stays alive and writable all along: the worst case.
    new.promote().await;
    wait_until("a write lands on the promoted host", BUSY * Duration::from_secs(5), async || {
        let reply = service.put("Ben", "1990-12-31").await;
        Poll::ready_if(reply.status.is_success() && count(&new, "Ben").await == 1, reply.status)
    })
    .await;
    let ready = service.get("/health/ready").await.json();
    assert_eq!(ready["timeline"], 2, "{ready}");
    assert_eq!(ready["reads"], "primary", "the old primary is no replica: {ready}");
    assert_eq!(service.put("Cem", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(count(&new, "Cem").await, 1);
    assert_eq!(count(&old, "Cem").await, 0, "nothing is written to the old primary");

    // A second, fresh instance that sees both comes to the same end.
    let fresh = Service::start(&[("DATABASE_URL", &url(&[&old, &new]))]).await;
    fresh.wait_ready("primary", "primary").await;
    assert_eq!(fresh.put("Dan", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(count(&new, "Dan").await, 1);
    assert_eq!(count(&old, "Dan").await, 0);

    // With the new primary gone the old one is still not used.
    new.stop(StopMode::Immediate).await;
    service.wait_ready("unavailable", "unavailable").await;
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let deep = service.get("/health/deep").await;
    assert_eq!(deep.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(deep.json()["fenced"], true, "{deep:?}");
}

#[tokio::test]
async fn a_demanded_timeline_fences_a_fresh_process_that_sees_the_old_primary_alone() {
    let old = PgServer::start().await;
    let before = Service::start(&[("DATABASE_URL", &url(&[&old]))]).await;
    before.wait_ready("primary", "primary").await;
    let fresh = Service::start(&[("DATABASE_URL", &url(&[&old])), ("MIN_TIMELINE", "2")]).await;
    wait_until("the process is fenced", Duration::from_secs(60), async || {
        let deep = fresh.get("/health/deep").await;
        Poll::ready_if(deep.json()["fenced"] == true, deep.body)
    })
    .await;
    assert_eq!(fresh.put("Ana", "1990-12-31").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(fresh.get("/hello/Ana").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(count(&old, "Ana").await, 0);
}

#[tokio::test]
async fn a_clients_token_of_the_new_timeline_fences_a_process_that_sees_the_old_primary_alone() {
    let old = PgServer::start().await;
    let new = old.replica().await;
    let sees_old = Service::start(&[("DATABASE_URL", &url(&[&old]))]).await;
    sees_old.wait_ready("primary", "primary").await;
    new.catch_up_with(&old).await;
    new.promote().await;
    let sees_new = Service::start(&[("DATABASE_URL", &url(&[&new]))]).await;
    sees_new.wait_ready("primary", "primary").await;
    let written = sees_new.put("Ana", "1990-12-31").await;
    let token = written.header("hello-consistency");
    let read = sees_old.send(Method::GET, "/hello/Ana", &[("hello-consistency", token)], "").await;
    assert_eq!(read.status, StatusCode::SERVICE_UNAVAILABLE, "not an old answer: {read:?}");
    sees_old.wait_ready("unavailable", "unavailable").await;
    assert_eq!(sees_old.put("Ben", "1990-12-31").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(count(&old, "Ben").await, 0);
}

#[tokio::test]
async fn the_timeline_is_recorded_in_the_database_and_replicated() {
    let old = PgServer::start().await;
    let new = old.replica().await;
    new.promote().await;
    let replica = new.replica().await;
    let service = Service::start(&[("DATABASE_URL", &url(&[&new, &replica]))]).await;
    service.wait_ready("replica", "primary").await;
    let system_id = new.observe().await.system_id.unwrap().to_string();
    wait_until("the replica has the row", Duration::from_secs(60), async || {
        let client = replica.client().await;
        let select = "select timeline from epoch where system_identifier = $1";
        match client.query_opt(select, &[&system_id]).await {
            Ok(Some(row)) => Poll::ready_if(row.get::<_, i64>(0) == 2, row.get::<_, i64>(0)),
            other => Poll::not_yet(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn two_replicas_promoted_separately_stop_all_writes() {
    let old = PgServer::start().await;
    let (one, other) = (old.replica().await, old.replica().await);
    let service = Service::start(&[("DATABASE_URL", &url(&[&old, &one, &other]))]).await;
    service.wait_ready("replica", "primary").await;
    old.stop(StopMode::Immediate).await;
    service.wait_ready("replica", "unavailable").await;
    one.promote().await;
    other.promote().await;
    wait_until("readiness says why", Duration::from_secs(60), async || {
        let ready = service.get("/health/ready").await.json();
        let said = ready["reasons"].to_string().contains("two hosts accept writes on the same timeline");
        Poll::ready_if(said && ready["writes"] == "unavailable", ready)
    })
    .await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn hosts_of_two_systems_at_first_sight_stop_all_writes_and_readiness_says_why() {
    let (one, other) = (PgServer::start().await, PgServer::builder().new_system().start().await);
    let service = Service::start(&[("DATABASE_URL", &url(&[&one, &other]))]).await;
    wait_until("readiness says why", Duration::from_secs(60), async || {
        let ready = service.get("/health/ready").await.json();
        Poll::ready_if(ready["reasons"].to_string().contains("different system identifiers"), ready)
    })
    .await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_far_primary_is_written_to_and_read_from_only_when_nothing_near_serves() {
    let far = PgServer::start().await;
    let near = far.replica().await;
    let near_host = format!("127.0.0.1:{}", near.port());
    let far_host = format!("127.0.0.1:{}", far.port());
    let service = Service::start(&[
        ("DB_HOSTS", &near_host),
        ("DB_FAR_HOSTS", &far_host),
        ("DB_USER", "postgres"),
        ("DB_NAME", "postgres"),
        ("DB_PASSWORD", "not asked for here"),
        ("DB_SSLMODE", "disable"),
    ])
    .await;
    service.wait_ready("replica", "far").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    near.stop(StopMode::Immediate).await;
    service.wait_ready("far", "far").await;
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_replica_of_a_replica_is_read_from_after_its_upstream_was_promoted() {
    let old = PgServer::start().await;
    // An ordinary role, to which a standby does not show the timeline that it streams.
    old.sql("create role plain login; grant all on schema public to plain").await;
    let middle = old.replica().await;
    let last = middle.replica().await;
    let hosts = url(&[&old, &middle, &last]).replace("postgres@", "plain@");
    let service = Service::start(&[("DATABASE_URL", &hosts)]).await;
    service.wait_ready("replica", "primary").await;
    last.catch_up_with(&old).await;
    old.stop(StopMode::Immediate).await;
    service.wait_ready("replica", "unavailable").await;
    middle.promote().await;
    service.wait_ready("replica", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    last.catch_up_with(&middle).await;
    assert_eq!(last.observe().await.role, hello_pg::Role::Standby);

    // With its upstream gone it is the only one left, and has what was written on the new timeline.
    middle.stop(StopMode::Immediate).await;
    service.wait_ready("replica", "unavailable").await;
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK);
    let ready = service.get("/health/ready").await.json();
    assert_eq!(ready["timeline"], 2, "{ready}");
}
