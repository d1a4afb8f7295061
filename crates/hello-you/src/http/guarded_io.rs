//! A client's connection with time limits, below hyper.
//!
//! hyper's own header timeout runs from the moment a connection waits for a request, which would close an idle
//! keep-alive connection too early. Here idle time and the time for a head are two limits, the second counted from the
//! first byte of a request. One timer per connection is enough: it is set anew only when it goes off.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::head_scan::HeadScan;

/// Idle keep-alive connections are closed after this long. Longer than the 60 s after which the load balancer in front
/// closes its side, else it would now and then send a request into a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// A request's head must be complete this long after its first byte (slowloris).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client must take some of an answer within this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a connection is doing, told by the requests served on it.
#[derive(Debug)]
pub(super) struct Activity {
    phase: Phase,
    since: Instant,
    scan: HeadScan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has come since the last answer.
    Idle,
    /// Some bytes of a head have come.
    Head,
    /// A request is being answered.
    Answering,
}

/// Shared between a connection and the requests on it, all on one thread.
pub(super) type SharedActivity = Rc<RefCell<Activity>>;

impl Activity {
    /// A new connection.
    pub(super) fn new() -> SharedActivity {
        Rc::new(RefCell::new(Self { phase: Phase::Idle, since: Instant::now(), scan: HeadScan::default() }))
    }

    /// A head is complete; its request is being answered.
    pub(super) fn request_began(&mut self) {
        self.phase = Phase::Answering;
    }

    /// The answer is ready.
    pub(super) fn request_ended(&mut self) {
        self.phase = Phase::Idle;
        self.since = Instant::now();
    }

    /// What the bytes of the connection say about its requests.
    pub(super) fn scan(&self) -> &HeadScan {
        &self.scan
    }

    fn bytes_came(&mut self, bytes: &[u8]) {
        self.scan.feed(bytes);
        if self.phase == Phase::Idle {
            self.phase = Phase::Head;
            self.since = Instant::now();
        }
    }

    fn head_deadline(&self) -> Option<Instant> {
        (self.phase == Phase::Head).then(|| self.since + HEAD_TIMEOUT)
    }

    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle => Some(self.since + IDLE_TIMEOUT),
            Phase::Head => self.head_deadline(),
            // The body has a limit of its own, where it is read.
            Phase::Answering => None,
        }
    }
}

/// The connection.
pub(super) struct GuardedIo {
    stream: TcpStream,
    activity: SharedActivity,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl GuardedIo {
    /// Guards a connection.
    pub(super) fn new(stream: TcpStream, activity: SharedActivity) -> Self {
        Self { stream, activity, read_timer: Box::pin(tokio::time::sleep(IDLE_TIMEOUT)), write_timer: None }
    }

    /// Whether the time to read is over. Leaves the timer set for the deadline, or before it, otherwise.
    fn read_timed_out(&mut self, cx: &mut Context<'_>) -> bool {
        // Only an unfinished head brings the deadline nearer than the timer; all else moves it away.
        if let Some(deadline) = self.activity.borrow().head_deadline()
            && deadline < self.read_timer.deadline()
        {
            self.read_timer.as_mut().reset(deadline);
        }
        while self.read_timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match self.activity.borrow().deadline() {
                Some(deadline) if deadline <= now => return true,
                Some(deadline) => self.read_timer.as_mut().reset(deadline),
                None => self.read_timer.as_mut().reset(now + HEAD_TIMEOUT),
            }
        }
        false
    }

    /// Passes on a write that was done, or notes since when it waits.
    fn limit_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIMEOUT)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Read for GuardedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper asks for few kilobytes at a time; a buffer on the stack spares the unsafe access to its cursor.
        let mut space = [0; 4096];
        let most = cursor.remaining().min(space.len());
        let mut buffer = ReadBuf::new(&mut space[..most]);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled();
                if !bytes.is_empty() {
                    self.activity.borrow_mut().bytes_came(bytes);
                    cursor.put_slice(bytes);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if self.read_timed_out(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Write for GuardedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.limit_write(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.limit_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.limit_write(cx, shut_down)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.limit_write(cx, written)
    }
}
