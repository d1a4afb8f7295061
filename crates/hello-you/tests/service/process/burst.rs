//! Connections that come faster than they are accepted.

use std::time::Duration;

use hyper::StatusCode;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::signal;
use crate::support::backend::Backend;
use crate::support::raw::Raw;

/// More than the 128 that a listener holds unless it is told otherwise, and few enough for a usual limit of open files.
const CLIENTS: usize = 500;

#[tokio::test]
async fn connections_that_come_while_none_is_accepted_are_held_and_then_answered() {
    let service = Backend::Sqlite.start().await;
    let pid = service.process.pid();
    signal(pid, Signal::STOP);
    let mut clients = Vec::with_capacity(CLIENTS);
    for number in 0..CLIENTS {
        // Whom the kernel has no room for never gets through, since nothing is accepted meanwhile.
        let connected = timeout(Duration::from_secs(10), TcpStream::connect(service.address)).await;
        let stream = connected.unwrap_or_else(|_| panic!("there is no room for connection {number}"));
        clients.push(Raw::over(stream.unwrap()));
    }
    for client in &mut clients {
        client.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    signal(pid, Signal::CONT);
    for client in &mut clients {
        assert_eq!(client.reply().await.status, 200);
    }
    assert_eq!(service.get("/health").await.status, StatusCode::OK);
}
