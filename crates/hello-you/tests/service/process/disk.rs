//! An SQLite file that cannot be written to: reads go on, health says so in time, and what heals is noticed unasked.

use std::path::Path;
use std::time::Duration;

use hello_testkit::{ChildProcess, Poll, wait_until};
use hyper::StatusCode;
use rusqlite::Connection;

use crate::support::service::{Service, settings};

const LIMIT: Duration = Duration::from_secs(60);

async fn wait_deep(service: &Service, status: StatusCode) {
    wait_until(&format!("the deep health is {status}"), LIMIT, async || {
        let deep = service.get("/health/deep").await;
        Poll::ready_if(deep.status == status, deep.body)
    })
    .await;
}

/// Readiness: 200, since reads work; what it says of writes, and why.
async fn ready(service: &Service) -> (String, String) {
    let reply = service.get("/health/ready").await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let document = reply.json();
    assert_eq!(document["reads"], "embedded");
    (document["writes"].as_str().unwrap().to_owned(), document["reasons"].to_string())
}

#[tokio::test]
async fn a_file_that_another_process_keeps_locked_makes_the_region_unhealthy_after_the_grace_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    let variables = [("HELLO_SQLITE_PATH", file.to_str().unwrap()), ("HELLO_WRITE_GRACE", "2s")];
    let service = Service::start(&variables).await;
    let patient = [variables[0], ("HELLO_WRITE_GRACE", "1h")];
    let patient = Service::start(&patient).await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(ready(&service).await, ("embedded".to_owned(), "[]".to_owned()));

    let other = Connection::open(&file).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let refused = service.put("Ben", "1990-12-31").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), "1");
    let (writes, reasons) = ready(&service).await;
    assert_eq!(writes, "unavailable");
    assert!(reasons.contains("another process keeps the SQLite database file locked"), "{reasons}");
    assert_eq!(patient.put("Ben", "1990-12-31").await.status, StatusCode::SERVICE_UNAVAILABLE);
    wait_deep(&service, StatusCode::SERVICE_UNAVAILABLE).await;
    let deep = patient.get("/health/deep").await;
    assert_eq!(deep.status, StatusCode::OK, "within the grace time: {deep:?}");
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK);

    // Nobody writes, and yet it is noticed that writes would work again.
    other.execute_batch("rollback").unwrap();
    wait_deep(&service, StatusCode::OK).await;
    assert_eq!(ready(&service).await, ("embedded".to_owned(), "[]".to_owned()));
    assert_eq!(service.put("Ben", "1990-12-31").await.status, StatusCode::CREATED);
}

/// Starts a service on a disk of its own, in a mount namespace that ends with it. `None` where the machine allows none.
async fn on_small_disk(directory: &Path, kib: u32) -> Option<Service> {
    let mount = format!("mount -t tmpfs -o size={kib}k tmpfs \"$0\"");
    let namespace = ["--mount", "--map-root-user", "sh", "-c"];
    let possible = std::process::Command::new("unshare").args(namespace).arg(&mount).arg(directory).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let file = directory.join("users.db");
    let variables = [("HELLO_SQLITE_PATH", file.to_str().unwrap()), ("HELLO_WRITE_GRACE", "1s")];
    let process = ChildProcess::builder("unshare")
        .args(namespace)
        .arg(format!("{mount} && exec {}", env!("CARGO_BIN_EXE_hello-you")))
        .arg(directory)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(settings(&variables))
        .start();
    Some(Service::listening(process).await)
}

#[tokio::test]
async fn a_full_disk_makes_the_region_unhealthy_after_the_grace_time_and_room_heals_it() {
    let directory = tempfile::tempdir().unwrap();
    let Some(service) = on_small_disk(directory.path(), 1024).await else {
        hello_testkit::skip("this machine does not allow a mount namespace");
        return;
    };
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    // The same directory, seen from within the service's namespace.
    let process_root = format!("/proc/{}/root", service.process.pid());
    let inside = Path::new(&process_root).join(directory.path().strip_prefix("/").unwrap());
    assert!(inside.join("users.db").exists());
    let ballast = inside.join("ballast");
    // It is written until there is no room for another byte.
    let full = std::fs::write(&ballast, vec![1; 2 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);

    // The log has some room of its own, until it would have to grow.
    wait_until("writes fail", LIMIT, async || {
        let mut last = StatusCode::OK;
        for letter in 'a'..='z' {
            last = service.put(&letter.to_string().repeat(50), "1990-12-31").await.status;
        }
        Poll::ready_if(last == StatusCode::SERVICE_UNAVAILABLE, last)
    })
    .await;
    wait_deep(&service, StatusCode::SERVICE_UNAVAILABLE).await;
    let (writes, reasons) = ready(&service).await;
    assert_eq!(writes, "unavailable");
    assert!(reasons.contains("is full"), "{reasons}");
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK);

    std::fs::remove_file(&ballast).unwrap();
    wait_deep(&service, StatusCode::OK).await;
    assert_eq!(service.put("Ben", "1990-12-31").await.status, StatusCode::CREATED);
    service.process.wait_for_line(LIMIT, |line| line.contains("can be written to again")).await;
    let said = service.process.stdout();
    let complaints = said.iter().filter(|line| line.contains("cannot be written to")).count();
    assert_eq!(complaints, 1, "said once");
}
