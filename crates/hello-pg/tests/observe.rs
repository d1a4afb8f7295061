//! What real servers report of themselves, to whom.

use std::time::Duration;

use hello_pg::{Lsn, NodeStatus, Role, SystemId, Timeline, observe};
use hello_testkit::{PgServer, Poll, pg_versions, wait_until};
use tokio_postgres::Client;

const LIMIT: Duration = Duration::from_secs(60);

/// The role may log in and nothing else.
const ORDINARY_ROLE: &str = "create role ordinary login";

async fn see(client: &Client) -> NodeStatus {
    observe(client).await.expect("a server that answers can be observed")
}

#[tokio::test]
async fn an_ordinary_role_sees_all_of_a_primary_and_of_a_standby() {
    for version in pg_versions() {
        let primary = PgServer::builder().version(version).start().await;
        primary.sql(ORDINARY_ROLE).await;
        let standby = primary.replica().await;
        standby.catch_up_with(&primary).await;
        let row =
            primary.client().await.query_one("select system_identifier from pg_control_system()", &[]).await;
        let system_id = SystemId(row.unwrap().get::<_, i64>(0).cast_unsigned());

        let on_primary = see(&primary.client_as("ordinary", "postgres").await).await;
        assert_eq!(on_primary.role, Role::Primary);
        assert_eq!(on_primary.system_id, Some(system_id));
        assert_eq!(on_primary.timeline, Some(Timeline(1)));
        assert_eq!((on_primary.received_lsn, on_primary.replay_age), (None, None));
        assert!(!on_primary.read_only);
        assert_eq!(on_primary.server_version_num / 10_000, version.major().cast_signed());

        let on_standby = see(&standby.client_as("ordinary", "postgres").await).await;
        assert_eq!(on_standby.role, Role::Standby);
        assert_eq!(on_standby.system_id, Some(system_id));
        assert_eq!(on_standby.timeline, Some(Timeline(1)));
        assert!(on_standby.lsn > Lsn(0) && on_standby.lsn >= on_primary.lsn, "{on_primary:?} {on_standby:?}");
        assert!(on_standby.received_lsn >= Some(on_standby.lsn), "{on_standby:?}");
        assert!(on_standby.read_only);
        assert_eq!(on_standby.server_version_num, on_primary.server_version_num);
    }
}

#[tokio::test]
async fn a_promotion_shows_at_once_on_the_new_primary() {
    for version in pg_versions() {
        let old = PgServer::builder().version(version).start().await;
        old.sql(ORDINARY_ROLE).await;
        let new = old.replica().await;
        new.catch_up_with(&old).await;
        let client = new.client_as("ordinary", "postgres").await;
        let before = see(&client).await;
        new.promote().await;
        // The session was open all the time: nothing is cached in it.
        let after = see(&client).await;
        assert_eq!((after.role, after.timeline), (Role::Primary, Some(Timeline(2))), "{version:?}");
        assert_eq!(after.system_id, before.system_id);
        assert!(after.lsn >= before.lsn && !after.read_only, "{before:?} {after:?}");
        let left_behind = see(&old.client_as("ordinary", "postgres").await).await;
        assert_eq!((left_behind.role, left_behind.timeline), (Role::Primary, Some(Timeline(1))));
    }
}

#[tokio::test]
async fn after_a_promotion_upstream_a_standby_reports_a_lower_bound_of_its_timeline() {
    for version in pg_versions() {
        let first = PgServer::builder().version(version).start().await;
        let second = first.replica().await;
        let third = second.replica().await;
        first
            .sql(&format!("{ORDINARY_ROLE}; create role monitor login; grant pg_read_all_stats to monitor"))
            .await;
        third.catch_up_with(&first).await;
        second.promote().await;
        second.sql("create table t (a int)").await;
        third.catch_up_with(&second).await;

        let monitor = third.client_as("monitor", "postgres").await;
        assert_eq!(see(&monitor).await.timeline, Some(Timeline(2)), "{version:?}");

        let ordinary = third.client_as("ordinary", "postgres").await;
        let lower_bound = see(&ordinary).await.timeline.unwrap();
        assert!((Timeline(1)..=Timeline(2)).contains(&lower_bound), "{version:?}: {lower_bound}");
        // A checkpoint upstream, replayed, and a restartpoint here move the control file on.
        second.sql("checkpoint").await;
        third.catch_up_with(&second).await;
        third.sql("checkpoint").await;
        assert_eq!(see(&ordinary).await.timeline, Some(Timeline(2)), "{version:?}");
    }
}

#[tokio::test]
async fn who_may_not_read_the_control_file_sees_the_rest() {
    for version in pg_versions() {
        let primary = PgServer::builder().version(version).start().await;
        primary.sql(ORDINARY_ROLE).await;
        let standby = primary.replica().await;
        for function in ["pg_control_system", "pg_control_checkpoint", "pg_control_recovery"] {
            primary.sql(&format!("revoke execute on function {function} from public")).await;
            standby.catch_up_with(&primary).await;
            let on_primary = see(&primary.client_as("ordinary", "postgres").await).await;
            assert_eq!((on_primary.system_id, on_primary.timeline), (None, Some(Timeline(1))), "{function}");
            assert_eq!(on_primary.role, Role::Primary);
            let on_standby = see(&standby.client_as("ordinary", "postgres").await).await;
            assert_eq!((on_standby.system_id, on_standby.timeline), (None, None), "{function}");
            assert!(on_standby.role == Role::Standby && on_standby.lsn > Lsn(0));
            primary.sql(&format!("grant execute on function {function} to public")).await;
        }
    }
}

#[tokio::test]
async fn the_replay_age_grows_while_nobody_writes_and_falls_with_a_commit() {
    let primary = PgServer::start().await;
    let standby = primary.replica().await;
    let client = standby.client().await;
    primary.sql("create table t (a int)").await;
    standby.catch_up_with(&primary).await;
    let idle = Duration::from_millis(300);
    wait_until("the last commit is old", LIMIT, async || {
        let age = see(&client).await.replay_age;
        Poll::ready_if(age > Some(idle), format!("{age:?}"))
    })
    .await;
    wait_until("a commit makes it young", LIMIT, async || {
        primary.sql("insert into t values (1)").await;
        standby.catch_up_with(&primary).await;
        let age = see(&client).await.replay_age;
        Poll::ready_if(age < Some(idle), format!("{age:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_read_only_primary_is_told_from_a_standby() {
    let primary = PgServer::start().await;
    let client = primary.client().await;
    primary.set_read_only(true).await;
    wait_until("the open session is read-only", LIMIT, async || {
        let status = see(&client).await;
        Poll::ready_if(status.role == Role::Primary && status.read_only, format!("{status:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_error() {
    let server = PgServer::start().await;
    let client = server.client().await;
    server.kill();
    let error = observe(&client).await.unwrap_err();
    assert_eq!(error.to_string(), "ask the server for its state");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn an_lsn_goes_to_the_server_and_back_unchanged() {
    let client = PgServer::shared().await;
    let client = client.client().await;
    for (lsn, text) in
        [(Lsn(0), "0/0"), (Lsn(0x16_B374_D848), "16/B374D848"), (Lsn(u64::MAX), "FFFFFFFF/FFFFFFFF")]
    {
        let row = client.query_one("select $1::pg_lsn, ($1::pg_lsn)::text", &[&lsn]).await.unwrap();
        assert_eq!((row.get::<_, Lsn>(0), row.get::<_, String>(1)), (lsn, text.to_owned()));
        assert_eq!(lsn.to_string(), text);
    }
}
