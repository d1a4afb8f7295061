//! Databases from the provider's backend to the servers.

use crate::{
    daemon::{Daemon, REGION, instance},
    fixture::Bench,
};
use hello_lab::board::Condition;
use terraform_provider_aws::backend::{Backend as _, Existing};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_database_is_not_ready_whatever_else_changes() {
    let bench = Bench::new("halted");
    let daemon = Daemon::with_network(&bench).await;
    daemon.make_in(REGION, "aws_db_instance", &instance("hello")).await;
    daemon.context.databases.stop("hello").await.unwrap();
    daemon.until("hello", |condition| *condition == Condition::Pending("stopped".to_owned())).await;
    let mut board = daemon.context.board.watch();
    for _ in 0..3 {
        daemon.make_in(REGION, "aws_eip", &[("domain", "vpc".into())]).await;
    }
    // The controller has seen all of them once it says so of a later one.
    daemon.context.databases.start(&daemon.model("hello")).await.unwrap();
    let generation = daemon.context.world.generation();
    loop {
        match daemon.context.board.get("database/hello").unwrap() {
            Condition::Ready(reached) => {
                assert!(reached >= generation, "it was ready while it was stopped");
                break;
            }
            condition => assert_eq!(condition, Condition::Pending("stopped".to_owned())),
        }
        board.changed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_database_stays_refused_until_it_is_mended() {
    let bench = Bench::new("refused");
    let daemon = Daemon::with_network(&bench).await;
    let creation = Daemon::creation(REGION, "aws_db_instance", &instance("hello"));
    let state = daemon.apply(creation.clone()).await.unwrap();
    let wrong = Daemon::update(&creation, &state, &[("engine_version", "99".into())]);
    let refusal = daemon.apply(wrong.clone()).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("wants PostgreSQL 99"), "{refusal:?}");
    for _ in 0..3 {
        let generation = daemon.context.world.generation();
        daemon.make_in(REGION, "aws_eip", &[("domain", "vpc".into())]).await;
        daemon.until("hello", |condition| match condition {
            Condition::Failed(seen, _) => *seen > generation,
            condition => panic!("{condition:?}"),
        })
        .await;
    }
    let mended = [("engine_version", state.get("engine_version").clone())];
    daemon.apply(Daemon::update(&wrong, &wrong.planned, &mended)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_last_snapshot_is_refused_leaves_the_database_as_it_was() {
    let bench = Bench::new("kept");
    let daemon = Daemon::with_network(&bench).await;
    let mut given = instance("hello");
    given.retain(|(name, _)| *name != "skip_final_snapshot");
    given.push(("final_snapshot_identifier", "last".into()));
    let creation = Daemon::creation(REGION, "aws_db_instance", &given);
    let state = daemon.apply(creation.clone()).await.unwrap();
    daemon.ask("hello", "create table t as select 1 as i");
    daemon.context.databases.snapshot("hello", "last").await.unwrap();

    let refusal = daemon.apply(Daemon::deletion(&creation, &state)).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("DBSnapshotAlreadyExists"), "{refusal:?}");
    let read = Existing {
        schema: creation.schema.clone(),
        place: creation.place.clone(),
        state: state.clone(),
        imported: false,
    };
    assert_eq!(daemon.backend.read(read).await.unwrap(), state, "it is there as before");
    assert_eq!(daemon.ask("hello", "select i from t"), "1");

    let renamed = Daemon::update(&creation, &state, &[("final_snapshot_identifier", "very-last".into())]);
    let state = daemon.apply(renamed.clone()).await.unwrap();
    daemon.apply(Daemon::deletion(&renamed, &state)).await.unwrap();
    let snapshots = daemon.context.databases.snapshots().unwrap();
    let names: Vec<_> = snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
    assert_eq!(names, ["last", "very-last"]);
}
