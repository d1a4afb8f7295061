use crate::fixture::{Bench, of};
use hello_lab::{
    database::{
        Status,
        model::{Instance, Origin},
    },
    secret::Secret,
};
use hello_pg::Role;
use hello_testkit::{Poll, wait_until};
use std::time::Duration;

/// A master password that is given later.
const SECOND: &str = "second password of the master";

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_streams_over_tls_with_a_slot_and_refuses_writes() {
    let bench = Bench::new("stream");
    let primary = bench.primary("hello", 1);
    let replica = bench.replica("hello-replica", 2, &primary);
    assert_eq!(
        bench.databases.reconcile(&replica).await.unwrap(),
        Status::Creating,
        "its source is not there yet"
    );
    bench.make(&primary).await;
    bench.make(&replica).await;
    let (writer, reader) = (bench.client(&primary), bench.client(&replica));
    writer.tell("create table t as select 7 as i");
    reader.until("select i from t", "7").await;
    assert!(reader.ask("insert into t values (8)").unwrap_err().contains("read-only transaction"));
    // It says so a moment after it has sent all there was.
    let followers = "select s.state, s.application_name, l.ssl, r.slot_name, r.active from pg_stat_replication s \
         join pg_stat_ssl l using (pid) join pg_replication_slots r on r.active_pid = s.pid";
    writer.until(followers, "streaming|hello-replica|t|hello_replica|t").await;
    let description = bench.databases.describe(&replica).await.unwrap();
    assert_eq!(description.node.unwrap().role, Role::Standby);

    bench.databases.delete(&of("hello-replica"), None).await.unwrap();
    assert_eq!(
        writer.tell("select count(*) from pg_replication_slots"),
        "0",
        "the slot goes with the replica"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_is_on_the_next_timeline_and_stays_promoted_under_its_old_model() {
    let bench = Bench::new("promote");
    let (primary, replica) = bench.pair().await;
    bench.client(&primary).tell("create table t as select 1 as i");
    bench.client(&replica).until("select i from t", "1").await;

    bench.databases.promote(&of("hello-replica")).await.unwrap();
    bench.databases.promote(&of("hello-replica")).await.unwrap();
    let promoted = bench.client(&replica);
    promoted.tell("insert into t values (2)");
    assert_eq!(promoted.tell("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"), "00000002");
    assert_eq!(bench.client(&primary).tell("select count(*) from pg_replication_slots"), "0");

    let other = bench.other_daemon();
    for _ in 0..2 {
        assert_eq!(other.reconcile(&replica).await.unwrap(), Status::Available);
        assert_eq!(other.reboot(&replica).await.unwrap(), Status::Available);
    }
    assert_eq!(promoted.tell("select pg_is_in_recovery(), count(*) from t"), "f|2");
    assert_eq!(promoted.tell("show primary_conninfo"), "");
    assert_eq!(bench.client(&primary).tell("select count(*) from t"), "1", "the two have parted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_a_replica_follows_through_a_promotion() {
    let bench = Bench::new("chain");
    let first = bench.primary("first", 1);
    let second = bench.replica("second", 2, &first);
    let third = bench.replica("third", 3, &second);
    for instance in [&first, &second, &third] {
        bench.make(instance).await;
    }
    bench.client(&first).tell("create table t as select 1 as i");
    bench.client(&third).until("select count(*) from t", "1").await;
    bench.databases.promote(&of("second")).await.unwrap();
    bench.client(&second).tell("insert into t values (2)");
    bench.client(&third).until("select count(*) from t", "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_pointed_at_another_source_without_a_new_copy() {
    let bench = Bench::new("repoint");
    let first = bench.primary("first", 1);
    let second = bench.replica("second", 2, &first);
    let mut third = bench.replica("third", 3, &first);
    for instance in [&first, &second, &third] {
        bench.make(instance).await;
    }
    let pid = bench.pid("third");
    bench.databases.promote(&of("second")).await.unwrap();
    third.origin = bench.replica("third", 3, &second).origin;
    bench.make(&third).await;
    assert_eq!(bench.pid("third"), pid);
    bench.client(&second).tell("create table t as select 1 as i");
    bench.client(&third).until("select count(*) from t", "1").await;
    assert_eq!(bench.client(&first).tell("select count(*) from pg_replication_slots"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lost_its_wal_is_made_anew() {
    let bench = Bench::new("lost");
    let mut primary = bench.primary("hello", 1);
    // MB. As little as there can be, so that a few switches of WAL files are too much.
    primary.parameters.insert("max_slot_wal_keep_size".to_owned(), "0".to_owned());
    let replica = bench.replica("hello-replica", 2, &primary);
    bench.make(&primary).await;
    bench.make(&replica).await;
    bench.databases.stop(&of("hello-replica")).await.unwrap();
    let writer = bench.client(&primary);
    writer.tell("create table t (i int)");
    // More than two files of WAL, of which a checkpoint then keeps none for the slot.
    writer.tell("insert into t select i from generate_series(1, 600000) i");
    writer.tell("checkpoint");
    writer.until("select wal_status from pg_replication_slots", "lost").await;
    assert_eq!(bench.databases.start(&replica).await.unwrap(), Status::Available);
    bench.client(&replica).until("select count(*) from t", "600000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_ahead_of_its_new_source_is_made_anew() {
    let bench = Bench::new("ahead");
    let first = bench.primary("first", 1);
    let second = bench.replica("second", 2, &first);
    let mut third = bench.replica("third", 3, &first);
    for instance in [&first, &second, &third] {
        bench.make(instance).await;
    }
    bench.client(&first).tell("create table t as select 1 as i");
    bench.client(&second).until("select count(*) from t", "1").await;
    // The second misses what the third gets.
    bench.databases.freeze(&of("second")).await.unwrap();
    bench.client(&first).tell("insert into t values (2)");
    bench.client(&third).until("select count(*) from t", "2").await;
    bench.databases.stop(&of("first")).await.unwrap();
    bench.databases.restore(&of("second")).unwrap();
    wait_until("the second is promoted", Duration::from_secs(60), async || {
        let promoted = bench.databases.promote(&of("second")).await;
        Poll::ready_if(promoted.is_ok(), format!("{promoted:?}"))
    })
    .await;
    bench.client(&second).tell("insert into t values (3)");
    third.origin = bench.replica("third", 3, &second).origin;
    wait_until("the third follows the second", Duration::from_secs(60), async || {
        let status = bench.databases.reconcile(&third).await.unwrap();
        let rows = bench.client(&third).ask("select string_agg(i::text, ',' order by i) from t");
        let expected = bench.client(&second).tell("select string_agg(i::text, ',' order by i) from t");
        Poll::ready_if(rows.as_ref() == Ok(&expected), format!("{status:?}: {rows:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_of_a_replica_that_was_deleted_meanwhile_is_removed_when_its_source_is_back() {
    let bench = Bench::new("slot");
    let (primary, _) = bench.pair().await;
    bench.databases.stop(&of("hello")).await.unwrap();
    bench.databases.delete(&of("hello-replica"), None).await.unwrap();
    bench.databases.start(&primary).await.unwrap();
    assert_eq!(bench.client(&primary).tell("select count(*) from pg_replication_slots"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_survives_its_source_being_away_and_being_made_anew() {
    let bench = Bench::new("away");
    let (primary, replica) = bench.pair().await;
    bench.databases.stop(&of("hello")).await.unwrap();
    assert_eq!(bench.databases.reconcile(&replica).await.unwrap(), Status::Available);
    bench.databases.start(&primary).await.unwrap();
    bench.client(&primary).tell("create table t as select 1 as i");
    bench.client(&replica).until("select count(*) from t", "1").await;

    bench.databases.delete(&of("hello"), None).await.unwrap();
    bench.make(&primary).await;
    bench.client(&primary).tell("create table t as select generate_series(1, 3) as i");
    wait_until("the replica follows the new cluster", Duration::from_secs(60), async || {
        let status = bench.databases.reconcile(&replica).await.unwrap();
        let answer = bench.client(&replica).ask("select count(*) from t");
        Poll::ready_if(answer.as_deref() == Ok("3"), format!("{status:?}: {answer:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_no_replica_any_more_promotes_it_and_keeps_its_data() {
    let bench = Bench::new("model");
    let (primary, mut replica) = bench.pair().await;
    bench.client(&primary).tell("create table t as select 1 as i");
    bench.client(&replica).until("select i from t", "1").await;
    // As Terraform yields it without `replicate_source_db`.
    replica.origin = Origin::New { database: Some("hello".to_owned()) };
    bench.make(&replica).await;
    assert_eq!(bench.client(&replica).tell("select pg_is_in_recovery(), i from t"), "f|1");
    assert_eq!(bench.client(&primary).tell("select count(*) from pg_replication_slots"), "0");

    // The master user stays as it came, until a password is given.
    replica.user = None;
    replica.password = Some(Secret::new(SECOND));
    bench.make(&replica).await;
    let mut client = bench.client(&replica);
    client.password = SECOND;
    assert_eq!(client.tell("select i from t"), "1");
    assert_eq!(bench.client(&primary).tell("select i from t"), "1", "the source's is its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_takes_a_password_under_its_old_model() {
    let bench = Bench::new("later");
    let (_, mut replica) = bench.pair().await;
    replica.password = Some(Secret::new(SECOND));
    bench.make(&replica).await;
    bench.client(&replica).tell("select 1");
    bench.databases.promote(&of("hello-replica")).await.unwrap();
    bench.make(&replica).await;
    let mut client = bench.client(&replica);
    client.password = SECOND;
    assert_eq!(client.tell("select 1"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_not_seen_a_smaller_value_of_its_source_starts_with_the_old_one() {
    let bench = Bench::new("smaller");
    let with = |instance: Instance, connections: &str| {
        let parameters = [("max_connections".to_owned(), connections.to_owned())].into();
        Instance { parameters, ..instance }
    };
    let primary = bench.primary("hello", 1);
    let replica = bench.replica("hello-replica", 2, &primary);
    let (primary, replica) = (with(primary, "60"), with(replica, "60"));
    bench.make(&primary).await;
    bench.make(&replica).await;
    let (primary, replica) = (with(primary, "40"), with(replica, "40"));
    bench.make(&primary).await;
    bench.make(&replica).await;

    bench.databases.stop(&of("hello-replica")).await.unwrap();
    assert_eq!(bench.databases.reboot(&primary).await.unwrap(), Status::Available);
    assert_eq!(bench.client(&primary).tell("show max_connections"), "40");
    // What it has of the log still says 60, and with less it would end at its start.
    assert_eq!(bench.databases.start(&replica).await.unwrap(), Status::Available);
    assert_eq!(bench.client(&replica).tell("show max_connections"), "60");
    assert_eq!(bench.databases.describe(&replica).await.unwrap().pending_reboot, ["max_connections"]);
    bench.make(&replica).await;

    bench.client(&primary).tell("create table t as select 1 as i");
    bench.client(&replica).until("select i from t", "1").await;
    assert_eq!(bench.databases.reboot(&replica).await.unwrap(), Status::Available);
    assert_eq!(bench.client(&replica).tell("show max_connections"), "40");
    assert!(bench.databases.describe(&replica).await.unwrap().pending_reboot.is_empty());
}
