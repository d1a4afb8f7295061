use crate::fixture::{Bench, of};
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
    assert_eq!(other.status(&of("hello")).await.unwrap(), Status::Available);
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
    let mut ended = bench.databases.disturbances();
    bench.databases.kill(&of("hello")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), ended.changed()).await.expect("its end is told").unwrap();
    assert!(matches!(bench.databases.status(&of("hello")).await.unwrap(), Status::Failed(_)));
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
    bench.make_in_the_end(&primary).await;
    bench.client(&primary).tell("create table t as select 1 as i");
    for _ in 0..6 {
        killed_meanwhile(bench.other_daemon(), &replica, &mut random, 1000).await;
    }
    bench.make_in_the_end(&replica).await;
    bench.client(&replica).until("select i from t", "1").await;
    // The slot of a copy that was cut off goes once its server has noticed that.
    bench
        .client(&primary)
        .until("select slot_name, active from pg_replication_slots", "hello_replica|t")
        .await;
    let unfinished = bench.lab.data("databases").join("eu-west-1/hello/volume/data.unfinished");
    assert!(!unfinished.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_directory_is_thrown_away() {
    let bench = Bench::new("half");
    let instance = bench.primary("hello", 1);
    let mut random = 2;
    let mut within_ms = 400;
    // Until there is storage to leave something in. On a slow machine that takes longer.
    wait_until("there is a volume", Duration::from_secs(60), async || {
        killed_meanwhile(bench.other_daemon(), &instance, &mut random, within_ms).await;
        within_ms += 100;
        let volume = bench.lab.data("databases").join("eu-west-1/hello/volume/lost+found");
        Poll::ready_if(volume.exists(), "no volume")
    })
    .await;
    let unfinished = bench.lab.data("databases").join("eu-west-1/hello/volume/data.unfinished");
    std::fs::create_dir_all(unfinished.join("base")).unwrap();
    std::fs::write(unfinished.join("PG_VERSION"), "3").unwrap();
    bench.make_in_the_end(&instance).await;
    assert_eq!(bench.client(&instance).tell("select 1"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_a_reboot_and_a_deletion_that_are_cut_off_go_on() {
    let bench = Bench::new("goon");
    let primary = bench.primary("hello", 1);
    let replica = bench.replica("hello-replica", 2, &primary);
    bench.make(&primary).await;
    bench.make(&replica).await;
    bench.client(&primary).tell("create table t as select 1 as i");
    bench.client(&replica).until("select i from t", "1").await;
    let mut random = 3;
    let mut moment = |within_ms| Duration::from_millis(next_random(&mut random) % within_ms);
    for _ in 0..3 {
        let _ = tokio::time::timeout(moment(300), bench.other_daemon().reboot(&replica)).await;
    }
    bench.make_in_the_end(&replica).await;
    for _ in 0..3 {
        let _ = tokio::time::timeout(moment(60), bench.other_daemon().promote(&of("hello-replica"))).await;
    }
    bench.other_daemon().promote(&of("hello-replica")).await.unwrap();
    bench.make_in_the_end(&replica).await;
    bench.client(&replica).tell("insert into t values (2)");
    for _ in 0..4 {
        let _ =
            tokio::time::timeout(moment(300), bench.other_daemon().delete(&of("hello"), Some("last"))).await;
    }
    bench.other_daemon().delete(&of("hello"), Some("last")).await.unwrap();
    assert_eq!(bench.databases.snapshots().unwrap().len(), 1);
    assert!(!bench.lab.data("databases").join("eu-west-1/hello").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_crashed_before_all_was_written_out_makes_the_data_anew() {
    let bench = Bench::new("boot");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    bench.client(&instance).tell("create table t ()");
    bench.databases.stop(&of("hello")).await.unwrap();
    let path = bench.lab.data("databases").join("eu-west-1/hello/state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    state["synced"] = false.into();
    state["made_in_boot"] = "an earlier one".into();
    std::fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
    assert_eq!(bench.databases.start(&instance).await.unwrap(), Status::Available);
    assert_eq!(bench.client(&instance).tell("select count(*) from pg_tables where tablename = 't'"), "0");
}
