//! The life of the process: start, signals, end, and what it shows of itself.

mod burst;
mod crash;
mod deletes;
mod disk;
mod end;
mod settings;
mod start;

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::raw::Raw;
use crate::support::service::Service;

/// Longer than any end that the tests wait for.
const END_LIMIT: Duration = Duration::from_secs(60);

const BODY: &str = r#"{"dateOfBirth":"1990-12-31"}"#;

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A request that the service is working on until its body is sent.
async fn request_in_progress(service: &Service, name: &str) -> Raw {
    let mut connection = Raw::connect(service.address).await;
    let length = BODY.len();
    let head = format!(
        "PUT /hello/{name} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    connection.send(head).await;
    // It is sent when the handler asks for the body.
    assert_eq!(connection.reply().await.status, 100);
    connection
}
