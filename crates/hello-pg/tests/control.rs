//! Changing real servers, and waiting for them.

use std::time::Duration;

use hello_pg::control::{ControlError, create_replication_slot, promote, wait_for_replay};
use hello_pg::{Role, observe};
use hello_testkit::PgServer;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_promoted_standby_takes_writes_and_cannot_be_promoted_again() {
    let primary = PgServer::start().await;
    let standby = primary.replica().await;
    let client = standby.client().await;
    promote(&client, LIMIT).await.unwrap();
    assert_eq!(observe(&client).await.unwrap().role, Role::Primary);
    client.batch_execute("create table t (a int)").await.unwrap();
    let error = promote(&client, LIMIT).await.unwrap_err();
    assert!(matches!(error, ControlError::Query { what: "promote the server", .. }), "{error:?}");
}

#[tokio::test]
async fn a_standby_that_hangs_does_not_hang_its_promotion() {
    let primary = PgServer::start().await;
    let standby = primary.replica().await;
    let client = standby.client().await;
    let _frozen = standby.freeze();
    let error = promote(&client, Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the server did not finish its promotion within 1 s");
}

#[tokio::test]
async fn a_slot_is_made_once_and_keeps_wal_from_then_on() {
    let server = PgServer::start().await;
    let client = server.client().await;
    assert!(create_replication_slot(&client, "replica_b").await.unwrap());
    assert!(!create_replication_slot(&client, "replica_b").await.unwrap());
    let query = "select slot_type, restart_lsn is not null from pg_replication_slots";
    let row = client.query_one(query, &[]).await.unwrap();
    assert_eq!((row.get::<_, String>(0), row.get::<_, bool>(1)), ("physical".to_owned(), true));
    let error = create_replication_slot(&client, "Not a name").await.unwrap_err();
    assert!(matches!(error, ControlError::Query { what: "create a replication slot", .. }), "{error:?}");
}

#[tokio::test]
async fn waiting_for_replay_ends_when_it_is_reached_or_time_is_up() {
    let primary = PgServer::start().await;
    let standby = primary.replica().await;
    standby.catch_up_with(&primary).await;
    standby.pause_replay().await;
    primary.sql("create table t (a int)").await;
    let on_primary = primary.client().await;
    let wanted = observe(&on_primary).await.unwrap().lsn;
    assert!(wait_for_replay(&on_primary, wanted, LIMIT).await.unwrap() >= wanted);

    let on_standby = standby.client().await;
    let error = wait_for_replay(&on_standby, wanted, Duration::from_secs(2)).await.unwrap_err();
    let ControlError::ReplayTimedOut { reached: Some(reached), .. } = error else { panic!("{error:?}") };
    assert!(reached < wanted);
    let message = format!("the server did not replay {wanted} within 2000 ms; it reached {reached}");
    assert_eq!(error.to_string(), message);

    let wait = wait_for_replay(&on_standby, wanted, LIMIT);
    let (reached, ()) = tokio::join!(wait, standby.resume_replay());
    assert!(reached.unwrap() >= wanted);

    // A standby that becomes a primary while it is waited for counts by what it writes.
    let on_new_primary = standby.client().await;
    let later = wanted + 50;
    let (reached, ()) = tokio::join!(wait_for_replay(&on_new_primary, later, LIMIT), async {
        standby.promote().await;
        standby.sql("create table u (a int)").await;
    });
    assert!(reached.unwrap() >= later);
}

#[tokio::test]
async fn waiting_for_a_server_that_hangs_ends_in_time() {
    let server = PgServer::start().await;
    let client = server.client().await;
    let lsn = observe(&client).await.unwrap().lsn;
    let _frozen = server.freeze();
    let error = wait_for_replay(&client, lsn, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the server did not replay {lsn} within 50 ms; it never answered"));
}
