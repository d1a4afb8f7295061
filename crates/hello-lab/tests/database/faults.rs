use crate::fixture::{Bench, of};
use hello_lab::{
    database::{DatabaseError, Status, Storage},
    process,
};
use hello_testkit::{Poll, wait_until};
use std::{fs, os::unix::fs::MetadataExt as _, process::Command, time::Duration};

/// For everything that a test waits for: far longer than any of it takes.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_answers_nothing_is_left_alone_and_goes_on_when_restored() {
    let bench = Bench::new("freeze");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let pid = bench.pid("hello");
    let is_frozen = || !process::frozen([bench.namespace.clone()]).is_empty();
    assert!(!is_frozen());
    bench.databases.freeze(&of("hello")).await.unwrap();
    assert!(is_frozen());
    let status = bench.databases.reconcile(&instance).await.unwrap();
    assert_eq!(status, Status::Failed("it did not answer within 2 s".to_owned()));
    assert_eq!(bench.databases.status(&of("hello")).await.unwrap(), status);
    bench.databases.restore(&of("hello")).unwrap();
    assert!(!is_frozen());
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

/// Several times what was left in the last WAL file and in allocated blocks.
const WRITE: &str = "insert into t select i, repeat(md5(i::text), 60) from generate_series(1, 40000) i";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_writes_and_more_storage_or_room_heals_it() {
    let bench = Bench::new("full");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let client = bench.client(&instance);
    client.tell("create table t (i int, filler text)");
    bench.databases.fill(&of("hello")).await.unwrap();
    client.ask(WRITE).unwrap_err();
    bench.databases.restore(&of("hello")).unwrap();
    bench.make(&instance).await;
    client.until("select count(*) from t", "0").await;
    client.tell("insert into t values (1)");

    bench.databases.fill(&of("hello")).await.unwrap();
    client.ask(WRITE).unwrap_err();
    let mut larger = instance.clone();
    larger.storage *= 4;
    bench.make(&larger).await;
    client.tell(WRITE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_while_the_server_still_answers_and_the_machines_disk_stays_free() {
    let bench = Bench::new("told");
    let mut instance = bench.primary("hello", 1);
    instance.storage = 20 << 30;
    bench.make(&instance).await;
    bench.client(&instance).tell("create table t as select 1 as i");
    let image = bench.lab.data("databases").join("eu-west-1/hello/storage.ext4");
    let taken = || fs::metadata(&image).unwrap().blocks() * 512;
    let before = taken();
    let mut told = bench.databases.disturbances();
    bench.databases.fill(&of("hello")).await.unwrap();
    assert!(told.borrow_and_update().has_changed(), "whoever looks after it is not told");
    assert!(bench.other_daemon().is_filled(&of("hello")), "another daemon sees it too");
    assert_eq!(bench.databases.status(&of("hello")).await.unwrap(), Status::StorageFull);
    assert_eq!(bench.databases.reconcile(&instance).await.unwrap(), Status::StorageFull);
    assert_eq!(bench.client(&instance).tell("select i from t"), "1", "reads need no room");
    // A second time finds nothing to fill.
    bench.databases.fill(&of("hello")).await.unwrap();
    nix::unistd::syncfs(fs::File::open(bench.lab.data("databases").join("eu-west-1/hello/volume")).unwrap())
        .unwrap();
    let grown = taken().saturating_sub(before);
    assert!(grown < 32 << 20, "filling 20 GiB has taken {grown} bytes of the machine");
    bench.databases.restore(&of("hello")).unwrap();
    assert!(!bench.databases.is_filled(&of("hello")));
    bench.make(&instance).await;
    // One that has no fault is restored too.
    bench.databases.restore(&of("hello")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_had_no_room_for_its_log_is_not_started_before_there_is_some() {
    let bench = Bench::new("panic");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let client = bench.client(&instance);
    client.tell("create table t as select 1 as i");
    let pid = bench.pid("hello");
    bench.databases.fill(&of("hello")).await.unwrap();
    // More than the rest of the WAL file that is there.
    let logged = client
        .ask("select pg_logical_emit_message(true, '', repeat('x', 1000000)) from generate_series(1, 40)");
    logged.unwrap_err();
    let process =
        || bench.lab.processes().adopt("database.eu-west-1.hello").unwrap().map(|running| running.pid());
    wait_until("the server has given up", LIMIT, async || {
        Poll::ready_if(process() != Some(pid), format!("{:?}", process()))
    })
    .await;
    for _ in 0..2 {
        assert_eq!(bench.databases.reconcile(&instance).await.unwrap(), Status::StorageFull);
        assert_eq!(process(), None, "it was started, and could not recover");
    }
    assert_eq!(bench.databases.status(&of("hello")).await.unwrap(), Status::StorageFull);
    bench.databases.restore(&of("hello")).unwrap();
    bench.make(&instance).await;
    client.until("select count(*) from t", "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_is_not_mounted_is_not_filled_since_below_it_is_the_machines_disk() {
    let bench = Bench::new("bare");
    let instance = bench.primary("hello", 1);
    assert!(matches!(bench.databases.fill(&of("hello")).await, Err(DatabaseError::NoInstance(_))));
    bench.make(&instance).await;
    bench.databases.stop(&of("hello")).await.unwrap();
    let volume = bench.lab.data("databases").join("eu-west-1/hello/volume");
    assert!(Command::new("umount").arg(&volume).status().unwrap().success());
    let refused = bench.databases.fill(&of("hello")).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::State { what: "filled", .. }), "{refused}");
    assert_eq!(fs::read_dir(&volume).unwrap().count(), 0);
    assert_eq!(bench.databases.start(&instance).await.unwrap(), Status::Available);
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
    let refused = bench.databases.fill(&of("hello")).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::State { what: "filled", .. }), "{refused}");
    assert_eq!(bench.client(&instance).tell("select 1"), "1");
    bench.databases.delete(&of("hello"), None).await.unwrap();
}
