use crate::fixture::{Bench, of};
use hello_lab::database::{DatabaseError, Status};

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_a_copy_of_its_moment_and_can_be_restored() {
    let bench = Bench::new("snap");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let client = bench.client(&instance);
    client.tell("create table t as select 1 as i");
    let taken = bench.databases.snapshot(&of("hello"), "before").await.unwrap();
    assert_eq!((taken.name.as_str(), taken.instance.as_str()), ("before", "hello"));
    client.tell("insert into t values (2)");
    let again = bench.databases.snapshot(&of("hello"), "before").await.unwrap_err();
    assert!(matches!(again, DatabaseError::SnapshotExists(_)), "{again}");

    let restored = bench.restored("restored", 2, "before");
    bench.make(&restored).await;
    let copy = bench.client(&restored);
    assert_eq!(copy.tell("select count(*) from t"), "1");
    copy.tell("insert into t values (3)");
    assert_eq!(client.tell("select string_agg(i::text, ',' order by i) from t"), "1,2");

    assert_eq!(bench.databases.snapshots().unwrap(), [taken]);
    bench.databases.delete_snapshot(&of("before")).unwrap();
    assert!(bench.databases.snapshots().unwrap().is_empty());
    assert_eq!(bench.databases.reconcile(&restored).await.unwrap(), Status::Available);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_deleted_after_its_final_snapshot_and_that_can_be_asked_for_twice() {
    let bench = Bench::new("final");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    bench.client(&instance).tell("create table t as select 1 as i");
    bench.databases.delete(&of("hello"), Some("last")).await.unwrap();
    assert!(matches!(bench.databases.status(&of("hello")).await, Err(DatabaseError::NoInstance(_))));
    assert!(!bench.lab.data("databases").join("eu-west-1/hello").exists());
    bench.databases.delete(&of("hello"), Some("last")).await.unwrap();

    let restored = bench.restored("hello", 1, "last");
    bench.make(&restored).await;
    assert_eq!(bench.client(&restored).tell("select i from t"), "1");
    let taken = bench.databases.delete(&of("hello"), Some("last")).await.unwrap_err();
    assert!(matches!(taken, DatabaseError::SnapshotExists(_)), "{taken}");
    assert_eq!(bench.client(&restored).tell("select i from t"), "1", "nothing was deleted");
    bench.databases.delete(&of("hello"), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_a_stopped_instance_and_of_a_replica_stand_on_their_own() {
    let bench = Bench::new("cold");
    let primary = bench.primary("hello", 1);
    let replica = bench.replica("hello-replica", 2, &primary);
    bench.make(&primary).await;
    bench.make(&replica).await;
    bench.client(&primary).tell("create table t as select 1 as i");
    bench.client(&replica).until("select i from t", "1").await;
    bench.databases.snapshot(&of("hello-replica"), "of-replica").await.unwrap();
    bench.databases.stop(&of("hello")).await.unwrap();
    bench.databases.snapshot(&of("hello"), "cold").await.unwrap();
    for (host, name) in [(3, "cold"), (4, "of-replica")] {
        let restored = bench.restored(name, host, name);
        bench.make(&restored).await;
        let client = bench.client(&restored);
        assert_eq!(client.tell("select i, pg_is_in_recovery() from t"), "1|f", "{name}");
        assert_eq!(client.tell("select count(*) from pg_replication_slots"), "0", "{name}");
        bench.databases.delete(&of(name), None).await.unwrap();
    }
    let missing = bench.restored("missing", 5, "nowhere");
    let error = bench.databases.reconcile(&missing).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no snapshot nowhere in this lab");
}
