//! The real program, on ports of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hello_testkit::{ChildProcess, ChildProcessBuilder, Poll, wait_until};
use hyper::Method;

use super::http::{self, BytesReply, Reply};

/// How long the program may take to start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How many times as long as is promised something may take in a test: a machine that is slow, or busy with other things,
/// breaks no promise.
pub(crate) const BUSY: u32 = 10;

/// The administrators' token of every service that tests start.
pub(crate) const ADMIN_TOKEN: &str = "token-of-the-administrators";

/// The program with the settings that all tests share, and these.
pub(crate) fn builder(variables: &[(&str, &str)]) -> ChildProcessBuilder {
    ChildProcess::builder(env!("CARGO_BIN_EXE_hello-you")).env_clear().envs(settings(variables))
}

/// Those settings; an empty value of `ADMIN_TOKEN` leaves it out.
pub(crate) fn settings(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let shared = [
        ("HELLO_LISTEN", "127.0.0.1:0"),
        ("HELLO_ADMIN_LISTEN", "127.0.0.1:0"),
        ("HELLO_LOG_FORMAT", "json"),
        // No load balancer needs time to notice.
        ("HELLO_DRAIN_DELAY", "0s"),
        ("ADMIN_TOKEN", ADMIN_TOKEN),
        ("APP_SECRET_KEY", "key that all instances of the tests share"),
    ];
    let all = shared.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut all: BTreeMap<_, _> = all.collect();
    all.retain(|name, value| name != "ADMIN_TOKEN" || !value.is_empty());
    all
}

/// A running service; ended when dropped.
pub(crate) struct Service {
    pub(crate) process: ChildProcess,
    pub(crate) address: SocketAddr,
    pub(crate) private_address: SocketAddr,
}

impl Service {
    /// Starts the program with these variables and waits until it listens.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        Self::listening(builder(variables).start()).await
    }

    /// Waits until a program that was started listens.
    pub(crate) async fn listening(process: ChildProcess) -> Self {
        let line = process.wait_for_line(START_LIMIT, |line| line.contains("\"listening;")).await;
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |field: &str| line[field].as_str().unwrap().parse().unwrap();
        Self { address: address("address"), private_address: address("private_address"), process }
    }

    /// Starts the program on an SQLite file.
    pub(crate) async fn on_sqlite(file: &Path) -> Self {
        Self::start(&[("HELLO_SQLITE_PATH", file.to_str().unwrap())]).await
    }

    /// Sends a request to the public listener.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        http::send(self.address, method, path, headers, body).await
    }

    /// The same, for an answer that need not be text.
    pub(crate) async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> BytesReply {
        let sent = http::try_send_bytes_within(http::LIMIT, self.address, method, path, headers, "").await;
        sent.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Gets a path from the public listener.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    /// Stores a date of birth.
    pub(crate) async fn put(&self, username: &str, date: &str) -> Reply {
        let body = format!("{{\"dateOfBirth\":\"{date}\"}}");
        let path = format!("/hello/{username}");
        self.send(Method::PUT, &path, &[("content-type", "application/json")], &body).await
    }

    /// Sends a request to the private listener, with the administrators' token.
    pub(crate) async fn administer(&self, method: Method, path: &str) -> Reply {
        let token = format!("Bearer {ADMIN_TOKEN}");
        http::send(self.private_address, method, path, &[("authorization", &token)], "").await
    }

    /// Waits until readiness says this of reads and of writes.
    pub(crate) async fn wait_ready(&self, reads: &str, writes: &str) {
        self.wait_ready_within(Duration::from_secs(60), reads, writes).await;
    }

    /// The same with another limit.
    pub(crate) async fn wait_ready_within(&self, limit: Duration, reads: &str, writes: &str) {
        wait_until(&format!("reads: {reads}, writes: {writes}"), limit, async || {
            let ready = self.get("/health/ready").await;
            let document = ready.json();
            Poll::ready_if(document["reads"] == reads && document["writes"] == writes, document)
        })
        .await;
    }
}
