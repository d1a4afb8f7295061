//! The log of a database in its log group.

use crate::{
    daemon::{Daemon, REGION, instance},
    fixture::{Bench, PASSWORD},
};
use hello_lab::logs::{Logs, reader::Filter};
use hello_testkit::{Poll, wait_until};
use std::{fs, time::Duration};
use terraform_provider_aws::value::Value;

const GROUP: &str = "/aws/rds/instance/hello/postgresql";
/// For what is copied every second, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// The lines of the group, as `logs` shows them.
fn shown(bench: &Bench) -> Vec<String> {
    let mut reader = Logs::new(&bench.lab, REGION).read(GROUP, Filter::default());
    let mut lines = Vec::new();
    loop {
        let found = reader.read_new().unwrap();
        if found.is_empty() {
            return lines;
        }
        lines.extend(found.into_iter().map(|found| found.event.message));
    }
}

/// The lines that PostgreSQL has written, file after file.
fn written(bench: &Bench) -> Vec<String> {
    let directory = bench.lab.data("databases").join(REGION).join("hello/log");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap() != "startup.log");
    files.sort();
    files
        .iter()
        .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Waits until the group has a line with this word, and compares all of it.
async fn until_shown(bench: &Bench, word: &str) {
    wait_until(&format!("{word} is in the log group"), SOON, async || {
        let lines = shown(bench);
        Poll::ready_if(lines.iter().any(|line| line.contains(word)), format!("{:?}", lines.last()))
    })
    .await;
    wait_until("all lines are there once, in their order", SOON, async || {
        let (shown, written) = (shown(bench), written(bench));
        Poll::ready_if(shown == written, format!("{shown:#?} of {written:#?}"))
    })
    .await;
}

fn exported(identifier: &str) -> Vec<(&'static str, Value)> {
    let exports = ["postgresql", "upgrade"].map(Value::from).to_vec();
    let mut given = instance(identifier);
    given.push(("enabled_cloudwatch_logs_exports", Value::List(exports)));
    given
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_database_is_in_its_group_once_whatever_daemon_copies_it() {
    let bench = Bench::new("exported");
    let daemon = Daemon::with_network(&bench).await;
    let group = [("name", GROUP.into()), ("retention_in_days", 7.into())];
    let group = Daemon::creation(REGION, "aws_cloudwatch_log_group", &group);
    let state = daemon.apply(group.clone()).await.unwrap();
    let creation = Daemon::creation(REGION, "aws_db_instance", &exported("hello"));
    daemon.apply(creation).await.unwrap();
    until_shown(&bench, "database system is ready to accept connections").await;

    daemon.log_in("hello", "first-stranger", "secret").unwrap_err();
    until_shown(&bench, "first-stranger").await;
    drop(daemon);
    // Nobody copies meanwhile.
    let daemon = Daemon::start(&bench);
    daemon.log_in("hello", "second-stranger", "secret").unwrap_err();
    until_shown(&bench, "second-stranger").await;
    assert!(shown(&bench).iter().all(|line| !line.contains(PASSWORD) && !line.contains("SCRAM-SHA-256$")));
    let groups = Logs::new(&bench.lab, REGION).groups().unwrap();
    assert_eq!(groups.iter().map(|group| group.retention_days).collect::<Vec<_>>(), [Some(7)]);
    assert_eq!(Logs::new(&bench.lab, REGION).streams(GROUP).unwrap(), ["hello"]);

    // The service makes the group anew where Terraform destroys it.
    daemon.apply(Daemon::deletion(&group, &state)).await.unwrap();
    daemon.log_in("hello", "third-stranger", "secret").unwrap_err();
    until_shown(&bench, "third-stranger").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_exported_any_more_is_not_copied_and_stays_in_its_group() {
    let bench = Bench::new("unexported");
    let daemon = Daemon::with_network(&bench).await;
    let group = [("name", Value::from(GROUP))];
    daemon.make_in(REGION, "aws_cloudwatch_log_group", &group).await;
    let creation = Daemon::creation(REGION, "aws_db_instance", &exported("hello"));
    let state = daemon.apply(creation.clone()).await.unwrap();
    until_shown(&bench, "database system is ready to accept connections").await;
    let none = [("enabled_cloudwatch_logs_exports", Value::List(Vec::new()))];
    let update = Daemon::update(&creation, &state, &none);
    let state = daemon.apply(update.clone()).await.unwrap();
    let generation = daemon.context.world.generation();
    let board = &daemon.context.board;
    board.wait("log-exports", hello_lab::board::Until::Ready(generation), SOON).await.unwrap();
    let before = shown(&bench);
    daemon.log_in("hello", "stranger", "secret").unwrap_err();
    let all =
        [("enabled_cloudwatch_logs_exports", creation.config.get("enabled_cloudwatch_logs_exports").clone())];
    assert_eq!(shown(&bench), before);
    // What was written meanwhile is copied once it is exported again.
    daemon.apply(Daemon::update(&update, &state, &all)).await.unwrap();
    until_shown(&bench, "stranger").await;
    daemon.apply(Daemon::deletion(&update, &state)).await.unwrap();
    assert!(!shown(&bench).is_empty(), "the group is Terraform's");
}
