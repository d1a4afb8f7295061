//! Log lines of a whole process, on its real standard output.
//!
//! The process is this test program itself, with one of the ignored tests below as its only task.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hello_testkit::{Poll, wait_until};
use hello_you::config::{LogConfig, LogFormat};
use hello_you::http::Route;
use hello_you::telemetry::{AccessRecord, Telemetry};
use hyper::{Method, StatusCode};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Far more than the second that the end of the process waits for whoever reads its lines.
const LIMIT: Duration = Duration::from_secs(60);

fn start() -> Telemetry {
    let filter = Targets::new().with_default(LevelFilter::INFO);
    Telemetry::start(&LogConfig { format: LogFormat::Auto, filter, colour: true })
}

fn write_access_lines(telemetry: &Telemetry, count: usize) {
    for _ in 0..count {
        telemetry.access_log.write(&AccessRecord {
            method: &Method::GET,
            route: Route::Health,
            status: StatusCode::OK,
            duration: Duration::from_millis(1),
            request_id: "0192f0c1a7b84d2c9e3f5a6b7c8d9e0f",
            trace_id: None,
        });
    }
}

#[test]
#[ignore = "the task of another process"]
fn log_something_and_end() {
    let telemetry = start();
    tracing::info!(port = 8080, "listening");
    write_access_lines(&telemetry, 1);
    thread::spawn(|| panic!("constant")).join().unwrap_err();
    drop(telemetry);
    std::process::exit(0);
}

#[test]
#[ignore = "the task of another process"]
fn log_more_than_anyone_reads_and_end() {
    let telemetry = start();
    write_access_lines(&telemetry, 20_000);
    drop(telemetry);
    std::process::exit(0);
}

/// A process that is killed if the test ends before it.
struct Task(Child);

impl Task {
    fn start(name: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let child = Command::new(program)
            .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    async fn ended(&mut self) {
        let status = wait_until("the process has ended", LIMIT, async || match self.0.try_wait().unwrap() {
            Some(status) => Poll::Ready(status),
            None => Poll::not_yet("it runs"),
        });
        assert!(status.await.success());
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn what_was_logged_is_on_standard_output_by_the_end() {
    let mut task = Task::start("log_something_and_end");
    task.ended().await;
    let mut output = String::new();
    task.0.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    let lines: Vec<serde_json::Value> = output
        .lines()
        // The test harness writes lines of its own, and begins the one before the first of ours.
        .filter_map(|line| line.get(line.find("{\"timestamp\"")?..))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let messages: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        ["listening", "request", "a thread panicked; this is a bug of the program"],
        "{output}"
    );

    for line in &lines {
        for key in ["timestamp", "level", "message", "target"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
    assert_eq!(lines[1]["target"], "hello_you::access");
    assert_eq!(lines[2]["reason"], "constant");
}

#[tokio::test]
async fn a_reader_that_stopped_reading_does_not_hold_up_the_end() {
    let mut task = Task::start("log_more_than_anyone_reads_and_end");
    // Nobody reads the pipe until the process has ended by itself.
    task.ended().await;
}
