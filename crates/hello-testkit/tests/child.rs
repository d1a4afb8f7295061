//! The guard around a real program.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use hello_testkit::{ChildProcess, ChildProcessBuilder, Poll, Signal, Stream, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

fn shell(script: &str) -> ChildProcessBuilder {
    ChildProcess::builder("/bin/sh").args(["-c", script])
}

#[tokio::test]
async fn lines_of_both_streams_are_captured_and_waited_for() {
    let child = shell("echo one; echo two >&2; echo three").start();
    assert_eq!(child.wait_for_line(LIMIT, |line| line.starts_with("tw")).await, "two");
    assert!(child.wait_exit(LIMIT).await.success());
    assert_eq!(child.stdout(), ["one", "three"]);
    assert_eq!(child.stderr(), ["two"]);
    assert!(child.output().contains(&(Stream::Stderr, "two".to_owned())));
}

#[tokio::test]
async fn the_environment_the_directory_and_the_input_are_those_given() {
    let child = shell("/bin/cat; echo $NAME $HOME; pwd")
        .env_clear()
        .env("NAME", "Ana")
        .current_dir("/")
        .stdin("input\n")
        .start();
    child.wait_exit(LIMIT).await;
    assert_eq!(child.stdout(), ["input", "Ana", "/"]);
}

#[tokio::test]
async fn a_signal_reaches_the_program() {
    let child = shell("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done").start();
    child.wait_for_line(LIMIT, |line| line == "ready").await;
    assert!(child.resident_bytes().unwrap() > 0);
    assert_eq!(child.terminate(LIMIT).await, 3);
    assert_eq!(child.stdout(), ["ready", "bye"]);
    child.signal(Signal::SIGTERM);
    assert_eq!(child.resident_bytes(), None);
}

#[tokio::test]
async fn an_exit_by_signal_is_told_apart() {
    let child = shell("echo ready; exec sleep 600").start();
    child.wait_for_line(LIMIT, |line| line == "ready").await;
    child.signal(Signal::SIGKILL);
    assert_eq!(child.wait_exit(LIMIT).await.signal(), Some(9));
}

#[tokio::test]
#[should_panic(expected = "it ended with exit status: 4; its last output:\nsorry")]
async fn waiting_for_a_line_of_a_program_that_ended_fails_with_its_output() {
    let child = shell("echo sorry; exit 4").start();
    child.wait_for_line(LIMIT, |line| line == "ready").await;
}

#[tokio::test]
async fn dropping_it_kills_the_program() {
    let child = shell("exec sleep 600").start();
    let proc_dir = format!("/proc/{}", child.pid());
    assert!(std::path::Path::new(&proc_dir).exists());
    drop(child);
    wait_until("the process is gone", LIMIT, async || {
        Poll::ready_if(!std::path::Path::new(&proc_dir).exists(), "still there")
    })
    .await;
}
