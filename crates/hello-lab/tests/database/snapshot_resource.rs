//! Snapshots that Terraform asks for, from the provider's backend to the files.

use crate::{
    daemon::{Daemon, REGION, instance},
    fixture::{Bench, of},
};
use hello_testkit::{Poll, wait_until};
use std::time::Duration;
use terraform_provider_aws::backend::Change;

fn snapshot(instance: &str, name: &str) -> Change {
    let given = [("db_instance_identifier", instance.into()), ("db_snapshot_identifier", name.into())];
    Daemon::creation(REGION, "aws_db_snapshot", &given)
}

fn names(daemon: &Daemon) -> Vec<String> {
    let snapshots = daemon.context.databases.snapshots().unwrap();
    snapshots.into_iter().map(|snapshot| snapshot.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_takes_a_snapshot_and_deletes_it() {
    let bench = Bench::new("resource");
    let daemon = Daemon::with_network(&bench).await;
    daemon.make_in(REGION, "aws_db_instance", &instance("hello")).await;

    let creation = snapshot("hello", "before");
    let state = daemon.apply(creation.clone()).await.unwrap();
    assert_eq!(names(&daemon), ["before"]);
    for (name, text) in [("id", "before"), ("engine", "postgres"), ("status", "available")] {
        assert_eq!(state.get(name).as_str(), Some(text), "{name}");
    }

    daemon.apply(Daemon::deletion(&creation, &state)).await.unwrap();
    assert_eq!(names(&daemon), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_no_instance_or_of_a_name_that_is_taken_is_refused() {
    let bench = Bench::new("taken");
    bench.make(&bench.primary("hello", 1)).await;
    bench.databases.snapshot(&of("hello"), "before").await.unwrap();
    let daemon = Daemon::start(&bench);
    for (instance, name, words) in [
        ("hello", "before", "a snapshot before exists already"),
        ("nobody", "other", "there is no database instance nobody"),
    ] {
        let refusal = daemon.apply(snapshot(instance, name)).await.unwrap_err();
        assert!(format!("{refusal:?}").contains(words), "{refusal:?}");
        assert_eq!(daemon.context.world.snapshot().of_type("aws_db_snapshot").count(), 0);
    }
    assert_eq!(names(&daemon), ["before"], "what was there stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_daemon_has_left_of_a_snapshot_goes() {
    let bench = Bench::new("half");
    let region = bench.lab.data("snapshots").join(REGION);
    let half = region.join("half.unfinished");
    std::fs::create_dir_all(half.join("data/base")).unwrap();
    let _daemon = Daemon::start(&bench);
    wait_until("it is gone", Duration::from_secs(30), async || Poll::ready_if(!half.exists(), "it is there"))
        .await;
    assert!(region.exists());
}
