use crate::fixture::Bench;
use hello_lab::database::{Databases, Status, model::Instance};
use hello_testkit::{Poll, next_random, wait_until};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_daemon_adopts_what_runs() {
    let bench = Bench::new("adopt");
    let primary = bench.primary("hello", 1);
    let replica = bench.replica("hello-replica", 2, &primary);
    bench.make(&primary).await;
    bench.make(&replica).await;
    let pids = (bench.pid("hello"), bench.pid("hello-replica"));
    let other = bench.other_daemon();
    assert_eq!(other.status("hello").await.unwrap(), Status::Available);
    assert_eq!(other.reconcile(&primary).await.unwrap(), Status::Available);
    assert_eq!(other.reconcile(&replica).await.unwrap(), Status::Available);
    assert_eq!((bench.pid("hello"), bench.pid("hello-replica")), pids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_with_what_was_committed() {
    let bench = Bench::new("kill");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    bench.client(&instance).tell("create table t as select 1 as i");
    let pid = bench.pid("hello");
    let ended = bench.databases.ended();
    bench.databases.kill("hello").unwrap();
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("its end is told");
    assert!(matches!(bench.databases.status("hello").await.unwrap(), Status::Failed(_)));
    bench.make(&instance).await;
    assert_ne!(bench.pid("hello"), pid);
    assert_eq!(bench.client(&instance).tell("select i from t"), "1");
}

/// Works on an instance until a random moment, and goes: as a daemon does that is killed.
async fn killed_meanwhile(databases: Databases, instance: &Instance, random: &mut u64, within_ms: u64) {
    let limit = Duration::from_millis(next_random(random) % within_ms);
    let _ = tokio::time::timeout(limit, databases.reconcile(instance)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_is_cut_off_again_and_again_ends_like_one_that_is_not() {
    let bench = Bench::new("cut");
    let primary = bench.primary("hello", 1);
    let replica = bench.replica("hello-replica", 2, &primary);
    let mut random = 1;
    for _ in 0..6 {
        killed_meanwhile(bench.other_daemon(), &primary, &mut random, 1500).await;
    }
    bench.make(&primary).await;
    bench.client(&primary).tell("create table t as select 1 as i");
    for _ in 0..6 {
        killed_meanwhile(bench.other_daemon(), &replica, &mut random, 1000).await;
    }
    bench.make(&replica).await;
    bench.client(&replica).until("select i from t", "1").await;
    assert_eq!(
        bench.client(&primary).tell("select slot_name, active from pg_replication_slots"),
        "hello_replica|t"
    );
    let unfinished = bench.lab.data("databases").join("hello/volume/data.unfinished");
    assert!(!unfinished.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_directory_is_thrown_away() {
    let bench = Bench::new("half");
    let instance = bench.primary("hello", 1);
    let mut random = 2;
    // Until there is storage to leave something in.
    wait_until("there is a volume", Duration::from_secs(30), async || {
        killed_meanwhile(bench.other_daemon(), &instance, &mut random, 400).await;
        let volume = bench.lab.data("databases").join("hello/volume/lost+found");
        Poll::ready_if(volume.exists(), "no volume")
    })
    .await;
    let unfinished = bench.lab.data("databases").join("hello/volume/data.unfinished");
    std::fs::create_dir_all(unfinished.join("base")).unwrap();
    std::fs::write(unfinished.join("PG_VERSION"), "3").unwrap();
    bench.make(&instance).await;
    assert_eq!(bench.client(&instance).tell("select 1"), "1");
}
