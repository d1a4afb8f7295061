//! Signals: what still works while the process ends, and when it has ended.

use std::time::{Duration, Instant};

use hello_testkit::{ChildProcess, Mode, PgServer, Poll, wait_until};
use hyper::{Method, StatusCode};
use rustix::process::{Signal, geteuid};

use super::{BODY, END_LIMIT, request_in_progress, signal};
use crate::support::backend::Backend;
use crate::support::http;
use crate::support::raw::Raw;
use crate::support::service::{self, Service};

/// Longer than an end is waited for, so that one that takes its time is seen.
const LONG_DRAIN: &str = "100s";
const LONG_GRACE: &str = "120s";

async fn exit_code(service: &Service) -> i32 {
    let status = service.process.wait_exit(END_LIMIT).await;
    status.code().unwrap_or_else(|| panic!("{status}"))
}

/// Waits until readiness is 503 because the process drains.
async fn wait_draining(service: &Service) {
    wait_until("readiness says that the process drains", END_LIMIT, async || {
        let ready = service.get("/health/ready").await;
        let drains = ready.status == StatusCode::SERVICE_UNAVAILABLE && ready.json()["draining"] == true;
        Poll::ready_if(drains, ready.body)
    })
    .await;
}

#[tokio::test]
async fn after_sigterm_readiness_is_503_while_everything_is_still_served() {
    // Long enough for all that is asked of it meanwhile.
    let settings = [("HELLO_DRAIN_DELAY", "8s"), ("HELLO_SHUTDOWN_GRACE", "60s")];
    let service = Backend::Sqlite.start_with(&settings).await;
    service.put("Ana", "1990-12-31").await;
    let mut in_progress = request_in_progress(&service, "Ben").await;
    let mut kept_alive = Raw::connect(service.address).await;
    kept_alive.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(kept_alive.reply().await.status, 200);

    let asked = Instant::now();
    signal(service.process.pid(), Signal::TERM);
    // At once: nobody could ask after the delay.
    wait_draining(&service).await;
    for path in ["/health", "/hello/Ana"] {
        let reply = service.get(path).await;
        assert_eq!((reply.status, reply.header("connection")), (StatusCode::OK, "close"), "{path}");
    }
    assert_eq!(service.put("Cid", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(service.administer(Method::GET, "/metrics").await.status, StatusCode::OK);
    kept_alive.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = kept_alive.reply().await;
    assert!(reply.status == 200 && reply.has_line("connection: close"), "{reply:?}");

    wait_until("the listener is closed", END_LIMIT, async || {
        match http::try_send(service.address, Method::GET, "/health", &[], "").await {
            Ok(reply) => Poll::not_yet(reply.status),
            Err(_) => Poll::Ready(()),
        }
    })
    .await;
    assert!(
        asked.elapsed() >= Duration::from_secs(8),
        "it accepts for the drain delay: {:?}",
        asked.elapsed()
    );
    assert_eq!(service.process.exit_status(), None, "a request is still in progress");
    in_progress.send(BODY).await;
    assert_eq!(in_progress.reply().await.status, 201);
    assert_eq!(exit_code(&service).await, 0);
}

#[tokio::test]
async fn sigint_has_no_delay() {
    let settings = [("HELLO_DRAIN_DELAY", LONG_DRAIN), ("HELLO_SHUTDOWN_GRACE", LONG_GRACE)];
    let service = Backend::Sqlite.start_with(&settings).await;
    // Connections without a request hold nothing up: one that never sent a byte, one between two requests.
    let _silent = Raw::connect(service.address).await;
    let mut idle = Raw::connect(service.address).await;
    idle.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.reply().await.status, 200);
    signal(service.process.pid(), Signal::INT);
    assert_eq!(exit_code(&service).await, 0);
    idle.wait_closed().await;
}

#[tokio::test]
async fn a_request_that_outlives_the_grace_time_is_cut() {
    let settings = [("HELLO_DRAIN_DELAY", "0s"), ("HELLO_SHUTDOWN_GRACE", "2s")];
    let service = Backend::Sqlite.start_with(&settings).await;
    let mut endless = request_in_progress(&service, "Ana").await;
    let asked = Instant::now();
    signal(service.process.pid(), Signal::TERM);
    assert_eq!(exit_code(&service).await, 0);
    assert!(asked.elapsed() >= Duration::from_secs(2), "{:?}", asked.elapsed());
    endless.wait_closed().await;
    let said = service.process.stdout().join("\n");
    assert!(said.contains("the grace time is over"), "{said}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    for (first, drain) in [(Signal::TERM, LONG_DRAIN), (Signal::TERM, "0s"), (Signal::INT, LONG_DRAIN)] {
        let settings = [("HELLO_DRAIN_DELAY", drain), ("HELLO_SHUTDOWN_GRACE", LONG_GRACE)];
        let service = Backend::Sqlite.start_with(&settings).await;
        let _endless = request_in_progress(&service, "Ana").await;
        signal(service.process.pid(), first);
        let asked = Instant::now();
        // One that comes at once would count as the first.
        wait_until("another signal ends it", END_LIMIT, async || {
            service.process.signal(hello_testkit::Signal::SIGTERM);
            Poll::ready_if(service.process.exit_status().is_some(), format!("{:?}", asked.elapsed()))
        })
        .await;
        assert_eq!(exit_code(&service).await, 0, "{first:?} {drain}");
    }
}

/// The kernel has completed such a connection, so its client does not know that nobody has taken it yet.
#[tokio::test]
async fn connections_that_wait_to_be_accepted_when_the_end_comes_are_answered() {
    let service = Backend::Sqlite.start().await;
    let pid = service.process.pid();
    signal(pid, Signal::STOP);
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut connection = Raw::connect(service.address).await;
        connection.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(connection);
    }
    signal(pid, Signal::INT);
    signal(pid, Signal::CONT);
    for mut connection in waiting {
        assert_eq!(connection.reply().await.status, 200);
    }
    assert_eq!(exit_code(&service).await, 0);
}

/// `timeout`, and process managers that signal a group as well as its leader, send two at once.
#[tokio::test]
async fn signals_that_come_together_are_one() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let settings = [("HELLO_DRAIN_DELAY", "0s"), ("HELLO_SHUTDOWN_GRACE", "25s")];
        let service = Backend::Sqlite.start_with(&settings).await;
        let mut in_progress = request_in_progress(&service, "Ana").await;
        signal(service.process.pid(), first);
        service.process.wait_for_line(END_LIMIT, |line| line.contains("asked to end")).await;
        signal(service.process.pid(), second);
        in_progress.send(BODY).await;
        assert_eq!(in_progress.reply().await.status, 201, "{first:?} {second:?}");
        assert_eq!(exit_code(&service).await, 0);
        let said = service.process.stdout().join("\n");
        assert!(said.contains("ended in order"), "{first:?} {second:?}: {said}");
    }
}

#[tokio::test]
async fn a_write_that_waits_for_the_database_is_finished_before_the_end() {
    let server = PgServer::shared().await;
    server.create_database("end_waits").await;
    let url = server.url("postgres", "end_waits");
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("DB_POOL_SIZE", "4"),
        ("HELLO_REQUEST_TIMEOUT", LONG_DRAIN),
        ("HELLO_DRAIN_DELAY", "0s"),
        ("HELLO_SHUTDOWN_GRACE", LONG_GRACE),
    ];
    let service = Service::start(&settings).await;
    service.wait_ready("primary", "primary").await;
    let lock = server.client_in("end_waits").await;
    lock.batch_execute("begin; lock table users in share mode").await.unwrap();
    let address = service.address;
    let write = tokio::spawn(async move {
        let headers = [("content-type", "application/json")];
        http::send(address, Method::PUT, "/hello/Ana", &headers, BODY).await.status
    });
    wait_until("the write waits for the lock", END_LIMIT, async || {
        let row = lock.query_one("select count(*) from pg_locks where not granted", &[]).await.unwrap();
        let waiting: i64 = row.get(0);
        Poll::ready_if(waiting > 0, waiting)
    })
    .await;
    signal(service.process.pid(), Signal::TERM);
    service.process.wait_for_line(END_LIMIT, |line| line.contains("asked to end")).await;
    lock.batch_execute("commit").await.unwrap();
    assert_eq!(write.await.unwrap(), StatusCode::CREATED);
    assert_eq!(exit_code(&service).await, 0);
}

#[tokio::test]
async fn a_database_that_does_not_answer_does_not_hold_up_the_end() {
    let server = PgServer::shared().await;
    server.create_database("end_black_hole").await;
    let proxy = server.proxy();
    let url = server.url_through(&proxy, "postgres", "end_black_hole");
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("DB_POOL_SIZE", "4"),
        ("HELLO_REQUEST_TIMEOUT", LONG_DRAIN),
        ("HELLO_DRAIN_DELAY", "0s"),
        ("HELLO_SHUTDOWN_GRACE", "2s"),
    ];
    let service = Service::start(&settings).await;
    service.wait_ready("primary", "primary").await;
    proxy.set_mode(Mode::BlackHole);
    let address = service.address;
    let read = tokio::spawn(async move { http::try_send(address, Method::GET, "/hello/Ana", &[], "").await });
    signal(service.process.pid(), Signal::TERM);
    assert_eq!(exit_code(&service).await, 0);
    // It got a 503, or was cut.
    if let Ok(reply) = read.await.unwrap() {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn as_the_first_process_of_a_container_it_ends_on_sigterm_too() {
    // The kernel ignores signals without a handler for the first process of a namespace.
    let directory = tempfile::tempdir().unwrap();
    let mut unshare = ChildProcess::builder("unshare").args(["--pid", "--fork", "--kill-child"]);
    if !geteuid().is_root() {
        unshare = unshare.args(["--user", "--map-root-user"]);
    }
    let path = directory.path().join("users.db");
    let settings = [("HELLO_SQLITE_PATH", path.to_str().unwrap()), ("HELLO_DRAIN_DELAY", "0s")];
    let process = unshare
        .arg(env!("CARGO_BIN_EXE_hello-you"))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(service::settings(&settings))
        .start();
    let service = Service::listening(process).await;
    assert_eq!(service.get("/health").await.status, StatusCode::OK);
    let outer = service.process.pid();
    let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
    let inner: u32 = children.trim().parse().unwrap_or_else(|_| panic!("one child: {children:?}"));
    let status = std::fs::read_to_string(format!("/proc/{inner}/status")).unwrap();
    let pids = status.lines().find(|line| line.starts_with("NSpid:")).unwrap();
    assert!(pids.ends_with("\t1"), "it is the first process in there: {pids}");
    signal(inner, Signal::TERM);
    assert_eq!(exit_code(&service).await, 0);
    let said = service.process.stdout().join("\n");
    assert!(said.contains("ended in order"), "{said}");
}
