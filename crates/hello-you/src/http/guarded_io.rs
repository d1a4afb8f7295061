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
    has_spoken: bool,
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
        let (phase, since, scan) = (Phase::Idle, Instant::now(), HeadScan::default());
        Rc::new(RefCell::new(Self { phase, since, has_spoken: false, scan }))
    }

    /// A head is complete; its request is being answered.
    pub(super) fn request_began(&mut self) {
        self.phase = Phase::Answering;
    }

    /// The answer is ready.
    pub(super) fn request_ended(&mut self) {
        // The beginning of the next head may have come already, pipelined.
        self.phase = if self.scan.is_within_head() { Phase::Head } else { Phase::Idle };
        self.since = Instant::now();
    }

    /// Whether anything has ever come.
    pub(super) fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// What the bytes of the connection say about its requests.
    pub(super) fn scan(&self) -> &HeadScan {
        &self.scan
    }

    fn bytes_came(&mut self, bytes: &[u8]) {
        self.has_spoken = true;
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
pub(super) struct GuardedIo<S> {
    stream: S,
    activity: SharedActivity,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<S> GuardedIo<S> {
    /// Guards a connection.
    pub(super) fn new(stream: S, activity: SharedActivity) -> Self {
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

impl<S: AsyncRead + Unpin> Read for GuardedIo<S> {
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

impl<S: AsyncWrite + Unpin> Write for GuardedIo<S> {
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;
    use hyper::body::Bytes;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::sleep;

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    /// The pipe between client and service holds this much.
    const PIPE_BYTES: usize = 256;

    /// Runs a client against a connection that answers each request after a while; on a clock that only waiting moves.
    fn with_connection<F: Future<Output = ()>>(think: Duration, client: impl FnOnce(DuplexStream) -> F) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (client_end, stream) = tokio::io::duplex(PIPE_BYTES);
            spawn_local(async move {
                let activity = Activity::new();
                let io = GuardedIo::new(stream, Rc::clone(&activity));
                let service = service_fn(|_| {
                    activity.borrow_mut().request_began();
                    let activity = &activity;
                    async move {
                        sleep(think).await;
                        activity.borrow_mut().request_ended();
                        Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"x"))))
                    }
                });
                let _ = http1::Builder::new().header_read_timeout(None).serve_connection(io, service).await;
            });
            client(client_end).await;
        });
    }

    /// Reads an answer byte by byte, so that nothing of the next one is taken out of the pipe.
    async fn read_answer(client: &mut DuplexStream) {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\nx") {
            text.push(client.read_u8().await.unwrap());
        }
    }

    /// How many seconds pass until the service closes.
    async fn seconds_until_closed(client: &mut DuplexStream) -> u64 {
        let began = Instant::now();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), "");
        began.elapsed().as_secs()
    }

    #[test]
    fn an_idle_connection_lives_for_75_seconds_after_each_answer() {
        with_connection(Duration::ZERO, async |mut client| {
            for _ in 0..3 {
                sleep(Duration::from_secs(70)).await;
                client.write_all(GET).await.unwrap();
                read_answer(&mut client).await;
            }
            assert_eq!(seconds_until_closed(&mut client).await, 75);
        });
    }

    #[test]
    fn a_connection_that_never_says_a_word_is_closed_after_75_seconds() {
        with_connection(Duration::ZERO, async |mut client| {
            assert_eq!(seconds_until_closed(&mut client).await, 75);
        });
    }

    #[test]
    fn a_head_must_be_complete_ten_seconds_after_its_first_byte() {
        with_connection(Duration::ZERO, async |mut client| {
            sleep(Duration::from_secs(70)).await;
            client.write_all(&GET[..5]).await.unwrap();
            assert_eq!(seconds_until_closed(&mut client).await, 10);
        });
    }

    #[test]
    fn further_bytes_of_a_head_win_no_time() {
        with_connection(Duration::ZERO, async |mut client| {
            let began = Instant::now();
            let mut sent = 0;
            for byte in GET {
                if client.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sent += 1;
                sleep(Duration::from_secs(1)).await;
            }
            assert!((10..=11).contains(&sent), "{sent}");
            assert!(began.elapsed() <= Duration::from_secs(11));
        });
    }

    #[test]
    fn a_pipelined_head_has_ten_seconds_too() {
        with_connection(Duration::from_secs(2), async |mut client| {
            client.write_all(&[GET, &GET[..5]].concat()).await.unwrap();
            read_answer(&mut client).await;
            assert_eq!(seconds_until_closed(&mut client).await, 10);
        });
    }

    #[test]
    fn the_time_an_answer_takes_counts_for_nothing() {
        with_connection(Duration::from_secs(200), async |mut client| {
            client.write_all(GET).await.unwrap();
            read_answer(&mut client).await;
            assert_eq!(seconds_until_closed(&mut client).await, 75);
        });
    }

    #[test]
    fn a_client_that_reads_nothing_is_given_up_after_ten_seconds() {
        with_connection(Duration::ZERO, async |mut client| {
            let began = Instant::now();
            while client.write_all(GET).await.is_ok() {}
            assert_eq!(began.elapsed().as_secs(), 10);
        });
    }

    #[test]
    fn a_client_that_reads_slowly_is_served() {
        with_connection(Duration::ZERO, async |mut client| {
            client.write_all(&GET.repeat(8)).await.unwrap();
            for _ in 0..8 {
                sleep(Duration::from_secs(8)).await;
                read_answer(&mut client).await;
            }
        });
    }
}
