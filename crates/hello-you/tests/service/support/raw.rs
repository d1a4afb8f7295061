//! A connection that sends exactly the bytes of a test, also those that no client library would.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any limit of the service that the tests wait for.
const LIMIT: Duration = Duration::from_secs(60);

/// A connection.
pub(crate) struct Raw {
    stream: TcpStream,
    /// What has come and is not part of an answer yet.
    unread: Vec<u8>,
}

/// An answer, read by its `Content-Length`.
#[derive(Debug)]
pub(crate) struct RawReply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawReply {
    /// Whether a header line is there, in lower case.
    pub(crate) fn has_line(&self, line: &str) -> bool {
        self.head.lines().any(|other| other.eq_ignore_ascii_case(line))
    }

    /// The end of a problem's type; empty if it is none.
    pub(crate) fn problem(&self) -> String {
        let document: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let kind = document["type"].as_str().unwrap_or_default();
        kind.rsplit('#').next().unwrap_or_default().to_owned()
    }
}

impl Raw {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// The same over a connection that is there.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Sends bytes. A service that has closed the connection meanwhile is no error here: its answer tells more.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(LIMIT, self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn end(&mut self) {
        // Fails only where the connection is gone already.
        let _ = self.stream.shutdown().await;
    }

    /// Reads an answer.
    pub(crate) async fn reply(&mut self) -> RawReply {
        self.next_reply().await.expect("the connection ended before an answer")
    }

    /// Reads an answer, or nothing where the connection ends instead.
    pub(crate) async fn next_reply(&mut self) -> Option<RawReply> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                assert!(self.unread.is_empty(), "half an answer: {}", String::from_utf8_lossy(&self.unread));
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().unwrap());
        while self.unread.len() < length {
            assert!(self.fill().await, "half a body behind {head}");
        }
        let body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(RawReply { status, head, body })
    }

    /// Sends the same bytes again and again, and reads nothing, until the service ends the connection.
    pub(crate) async fn send_until_refused(&mut self, bytes: &str) {
        let sending = async { while self.stream.write_all(bytes.as_bytes()).await.is_ok() {} };
        timeout(LIMIT, sending).await.expect("the service ends the connection in time");
    }

    /// Whether nothing has come so far.
    pub(crate) fn has_nothing_to_read(&self) -> bool {
        let mut byte = [0];
        let read = self.stream.try_read(&mut byte);
        self.unread.is_empty() && read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Waits until the service closes the connection without another word.
    pub(crate) async fn wait_closed(&mut self) {
        let reply = self.next_reply().await;
        assert!(reply.is_none(), "{reply:?}");
    }

    /// Reads more; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let read = timeout(LIMIT, self.stream.read_buf(&mut self.unread)).await;
        // A reset is an end too: the service closes without reading what it refused.
        read.expect("the service answers or closes in time").is_ok_and(|count| count > 0)
    }
}
