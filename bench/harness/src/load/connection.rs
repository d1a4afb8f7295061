//! One keep-alive connection of the load generator: a request out, its answer in, checked.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;

use crate::users::{self, USERNAME_LEN};

/// More than any answer of this API with its headers.
const ANSWER_MAX: usize = 4096;

/// What has come of a request so far.
#[derive(Debug)]
pub(crate) enum Progress {
    /// The answer is not complete.
    Incomplete,
    /// The answer is right; this long after the request was sent.
    Answer(Duration),
    /// The answer is complete and wrong.
    Wrong(String),
}

/// A connection and the request that is under way on it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    request: Vec<u8>,
    answer: Box<[u8; ANSWER_MAX]>,
    filled: usize,
    username: [u8; USERNAME_LEN],
    write: bool,
    sent: Option<Instant>,
}

impl Connection {
    /// Connects, waiting until the connection stands.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5))
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        stream.set_nonblocking(true).context("make the connection non-blocking")?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            address,
            request: Vec::with_capacity(256),
            answer: Box::new([0; ANSWER_MAX]),
            filled: 0,
            username: [0; USERNAME_LEN],
            write: false,
            sent: None,
        })
    }

    /// What epoll watches.
    pub(crate) fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether an answer is due.
    pub(crate) fn is_waiting(&self) -> bool {
        self.sent.is_some()
    }

    /// Sends a request about a user.
    pub(crate) fn send(&mut self, user: u32, write: bool, random: &mut fastrand::Rng) -> Result<()> {
        self.username = users::username(user);
        self.write = write;
        self.request.clear();
        self.request.extend_from_slice(if write { b"PUT /hello/" } else { b"GET /hello/" });
        self.request.extend_from_slice(&self.username);
        write!(self.request, " HTTP/1.1\r\nHost: {}\r\n", self.address)?;
        if write {
            self.request.extend_from_slice(b"Content-Type: application/json\r\nContent-Length: 28\r\n\r\n");
            self.request.extend_from_slice(b"{\"dateOfBirth\":\"");
            self.request.extend_from_slice(&users::date_of_birth(random));
            self.request.extend_from_slice(b"\"}");
        } else {
            self.request.extend_from_slice(b"\r\n");
        }
        self.filled = 0;
        self.sent = Some(Instant::now());
        // The answer to the last request has come, so the socket's buffer is empty and takes all of this one.
        let written = self.stream.write(&self.request).context("send a request")?;
        ensure!(written == self.request.len(), "a request was sent in part only");
        Ok(())
    }

    /// Reads what has arrived.
    pub(crate) fn receive(&mut self) -> Result<Progress> {
        // epoll tells of each arrival, so one read is enough: what comes after it is told again.
        match self.stream.read(&mut self.answer[self.filled..]) {
            Ok(0) if self.sent.is_none() => bail!("the server closed an idle connection"),
            Ok(0) => bail!("the server closed the connection instead of answering"),
            Ok(count) => self.filled += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(Progress::Incomplete);
            }
            Err(error) => return Err(error).context("read an answer"),
        }
        let received = &self.answer[..self.filled];
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_len) = head.parse(received).context("read an answer's head")?
        else {
            ensure!(self.filled < ANSWER_MAX, "an answer's head has more than {ANSWER_MAX} bytes");
            return Ok(Progress::Incomplete);
        };
        let status = head.code.unwrap_or_default();
        let body_len =
            match head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length")) {
                Some(header) => std::str::from_utf8(header.value)
                    .ok()
                    .and_then(|value| value.parse().ok())
                    .context("a bad length")?,
                None if status == 204 => 0,
                None => bail!("an answer without Content-Length"),
            };
        if received.len() < head_len + body_len {
            ensure!(head_len + body_len <= ANSWER_MAX, "an answer has more than {ANSWER_MAX} bytes");
            return Ok(Progress::Incomplete);
        }
        let sent = self.sent.take().context("an answer without a request")?;
        let latency = sent.elapsed();
        let body = &received[head_len..];
        let right = if self.write { matches!(status, 201 | 204) } else { status == 200 && self.greets(body) };
        if right {
            return Ok(Progress::Answer(latency));
        }
        Ok(Progress::Wrong(format!("{status} {}", String::from_utf8_lossy(body))))
    }

    /// Whether a body greets the user who was asked for.
    fn greets(&self, body: &[u8]) -> bool {
        body.strip_prefix(b"{\"message\":\"Hello, ")
            .and_then(|rest| rest.strip_prefix(&self.username))
            .is_some_and(|rest| rest.starts_with(b"! "))
    }
}
