//! Database clusters that are not copies of each other, as after a major upgrade or a restored dump.

use std::time::Duration;

use hello_testkit::{FaultProxy, Mode, PgServer, Poll, StopMode, wait_until};
use hyper::StatusCode;

use crate::support::service::Service;
use crate::support::urls::url_of_ports;

/// Sends all connections through a proxy to another server from now on.
fn move_to(proxy: &FaultProxy, server: &PgServer) {
    proxy.set_mode(Mode::Refuse);
    proxy.set_upstream(server.addr());
    proxy.set_mode(Mode::Pass);
}

async fn users(server: &PgServer) -> i64 {
    let client = server.client().await;
    if client.query_one("select to_regclass('users') is null", &[]).await.unwrap().get(0) {
        return 0;
    }
    client.query_one("select count(*) from users", &[]).await.unwrap().get(0)
}

async fn wait_reason(service: &Service, sentence: &str) {
    wait_until("readiness says why", Duration::from_secs(60), async || {
        let ready = service.get("/health/ready").await.json();
        Poll::ready_if(ready["reasons"].to_string().contains(sentence), ready)
    })
    .await;
}

#[tokio::test]
async fn a_new_system_is_accepted_once_no_host_has_the_old_one_which_then_is_left_aside() {
    let (old, new) = (PgServer::start().await, PgServer::builder().new_system().start().await);
    let (first, second) = (old.proxy(), old.proxy());
    second.set_mode(Mode::Refuse);
    let service = Service::start(&[("DATABASE_URL", &url_of_ports(&[first.port(), second.port()]))]).await;
    service.wait_ready("primary", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);

    // The old cluster is gone, and under its name another one answers: the schema is made there, and it is used.
    old.stop(StopMode::Fast).await;
    service.wait_ready("unavailable", "unavailable").await;
    move_to(&first, &new);
    service.wait_ready("primary", "primary").await;
    assert_eq!(service.put("Ben", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(users(&new).await, 1);
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::NOT_FOUND);

    // The old one comes back under another name: now it is the stranger.
    old.restart().await;
    move_to(&second, &old);
    wait_reason(&service, "a host of another database cluster is left aside").await;
    assert_eq!(service.put("Cem", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!((users(&old).await, users(&new).await), (1, 2));
}

#[tokio::test]
async fn a_new_system_is_left_aside_while_a_host_still_has_the_remembered_one() {
    let (old, new) = (PgServer::start().await, PgServer::builder().new_system().start().await);
    let replica = old.replica().await;
    let (to_primary, to_replica) = (old.proxy(), replica.proxy());
    let hosts = url_of_ports(&[to_primary.port(), to_replica.port()]);
    let service = Service::start(&[("DATABASE_URL", &hosts)]).await;
    service.wait_ready("replica", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    replica.catch_up_with(&old).await;

    // The name of the primary leads to another cluster, but the replica still answers.
    move_to(&to_primary, &new);
    wait_reason(&service, "a host of another database cluster is left aside").await;
    service.wait_ready("replica", "unavailable").await;
    assert_eq!(service.put("Ben", "1990-12-31").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK);
    assert_eq!(users(&new).await, 0, "nothing was made there, not even the schema");

    // What is remembered outlives the moment in which nobody answers.
    to_replica.set_mode(Mode::Refuse);
    to_primary.set_mode(Mode::Refuse);
    service.wait_ready("unavailable", "unavailable").await;
    to_replica.set_mode(Mode::Pass);
    service.wait_ready("replica", "unavailable").await;
    move_to(&to_primary, &old);
    service.wait_ready("replica", "primary").await;
    assert_eq!(service.put("Ben", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(users(&old).await, 2);
}
