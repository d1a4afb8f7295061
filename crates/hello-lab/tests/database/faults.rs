use crate::fixture::{Bench, of};
use hello_lab::database::{DatabaseError, Status, Storage};

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_answers_nothing_is_left_alone_and_goes_on_when_restored() {
    let bench = Bench::new("freeze");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let pid = bench.pid("hello");
    bench.databases.freeze(&of("hello")).await.unwrap();
    let status = bench.databases.reconcile(&instance).await.unwrap();
    assert_eq!(status, Status::Failed("it did not answer within 2 s".to_owned()));
    assert_eq!(bench.databases.status(&of("hello")).await.unwrap(), status);
    bench.databases.restore(&of("hello")).unwrap();
    bench.make(&instance).await;
    assert_eq!(bench.pid("hello"), pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_can_be_stopped_and_deleted() {
    let bench = Bench::new("frozen");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    bench.databases.freeze(&of("hello")).await.unwrap();
    bench.databases.stop(&of("hello")).await.unwrap();
    assert_eq!(bench.databases.start(&instance).await.unwrap(), Status::Available);
    bench.databases.freeze(&of("hello")).await.unwrap();
    bench.databases.delete(&of("hello"), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_writes_and_more_storage_or_room_heals_it() {
    let bench = Bench::new("full");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let client = bench.client(&instance);
    client.tell("create table t (i int, filler text)");
    bench.databases.fill(&of("hello")).unwrap();
    // Several times what was left in the last WAL file and in allocated blocks.
    let write = "insert into t select i, repeat(md5(i::text), 60) from generate_series(1, 40000) i";
    client.ask(write).unwrap_err();
    bench.databases.restore(&of("hello")).unwrap();
    bench.make(&instance).await;
    client.until("select count(*) from t", "0").await;
    client.tell("insert into t values (1)");

    bench.databases.fill(&of("hello")).unwrap();
    client.ask(write).unwrap_err();
    let mut larger = instance.clone();
    larger.storage *= 4;
    bench.make(&larger).await;
    client.tell(write);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_system_of_its_own_an_instance_works_and_is_not_filled() {
    let bench = Bench::new("plain");
    let mut instance = bench.primary("hello", 1);
    // Too small for a file system: as on a machine that cannot make one.
    instance.storage = 4096;
    bench.make(&instance).await;
    let storage = bench.databases.describe(&instance).await.unwrap().storage;
    let Some(Storage::Unbounded(reason)) = storage else { panic!("{storage:?}") };
    assert!(reason.starts_with("mkfs.ext4: "), "{reason}");
    let refused = bench.databases.fill(&of("hello")).unwrap_err();
    assert!(matches!(refused, DatabaseError::State { what: "filled", .. }), "{refused}");
    assert_eq!(bench.client(&instance).tell("select 1"), "1");
    bench.databases.delete(&of("hello"), None).await.unwrap();
}
