//! The essentials once more on PostgreSQL 17, where this machine has it; the other tests run on the preferred version.

use std::time::Duration;

use hello_testkit::{PgServer, Poll, pg_version_or_skip, wait_until};
use hyper::{Method, StatusCode};

use crate::support::service::Service;
use crate::support::urls::url;

/// A primary and its replica; nothing where there is no PostgreSQL 17, which has been said then.
async fn pair() -> Option<(PgServer, PgServer)> {
    let version = pg_version_or_skip(17)?;
    let primary = PgServer::builder().version(version).start().await;
    let replica = primary.replica().await;
    assert_eq!(replica.observe().await.server_version_num / 10_000, 17);
    Some((primary, replica))
}

#[tokio::test]
async fn users_are_stored_changed_read_listed_and_removed() {
    let Some((primary, replica)) = pair().await else { return };
    let service = Service::start(&[("DATABASE_URL", &url(&[&primary, &replica]))]).await;
    service.wait_ready("replica", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(service.put("Ana", "1991-12-31").await.status, StatusCode::NO_CONTENT);
    replica.catch_up_with(&primary).await;
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK);
    assert_eq!(service.get("/hello/Ben").await.status, StatusCode::NOT_FOUND);
    let page = service.administer(Method::GET, "/users").await.json();
    assert_eq!(page["users"][0]["dateOfBirth"], "1991-12-31", "{page}");
    assert_eq!(service.administer(Method::DELETE, "/hello/Ana").await.status, StatusCode::NO_CONTENT);
    replica.catch_up_with(&primary).await;
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_promotion_is_followed_and_the_old_primary_fenced() {
    let Some((old, new)) = pair().await else { return };
    let service = Service::start(&[("DATABASE_URL", &url(&[&old, &new]))]).await;
    service.wait_ready("replica", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    new.catch_up_with(&old).await;
    new.promote().await;
    wait_until("the promoted host is written to", Duration::from_secs(60), async || {
        let ready = service.get("/health/ready").await.json();
        Poll::ready_if(ready["timeline"] == 2 && ready["writes"] == "primary", ready)
    })
    .await;
    assert_eq!(service.put("Ben", "1990-12-31").await.status, StatusCode::CREATED);
    for (server, count) in [(&old, 0_i64), (&new, 1)] {
        let select = "select count(*) from users where username = 'Ben'";
        assert_eq!(server.client().await.query_one(select, &[]).await.unwrap().get::<_, i64>(0), count);
    }
}

#[tokio::test]
async fn a_client_reads_its_own_write_while_the_replica_is_behind() {
    let Some((primary, replica)) = pair().await else { return };
    let service = Service::start(&[("DATABASE_URL", &url(&[&primary, &replica]))]).await;
    service.wait_ready("replica", "primary").await;
    replica.catch_up_with(&primary).await;
    replica.pause_replay().await;
    let written = service.put("Ana", "1990-12-31").await;
    let token = written.header("hello-consistency");
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::NOT_FOUND, "the replica is behind");
    let read = service.send(Method::GET, "/hello/Ana", &[("hello-consistency", token)], "").await;
    assert_eq!(read.status, StatusCode::OK);
}
