//! One client's connection, from the first byte to the last.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::guarded_io::{Activity, GuardedIo, SharedActivity};
use super::{App, Audience, Body, dispatch};

/// A head with more bytes is answered 431: the longest honest one has a name of 50 characters and a few tokens.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// hyper's smallest; a connection that waits holds no buffer.
const MAX_BUFFER_BYTES: usize = 32 * 1024;
/// More header lines than any honest client sends.
const MAX_HEADERS: usize = 100;
/// How long the first request of a connection is waited for when the process ends: it was opened a moment ago.
const FIRST_REQUEST_PATIENCE: Duration = Duration::from_millis(500);

/// Serves a connection until the client or a limit ends it; once `stop` is done, only its request in progress.
pub(super) async fn serve(stream: TcpStream, app: App, audience: Audience, stop: impl Future<Output = ()>) {
    // Small answers must not wait for acknowledgements. A socket that refuses is as good as closed.
    let _ = stream.set_nodelay(true);
    let activity = Activity::new();
    let io = GuardedIo::new(stream, Rc::clone(&activity));
    let service = service_fn(|request| {
        let (refusal, must_close) = {
            let mut activity = activity.borrow_mut();
            activity.request_began();
            (dispatch::refusal(&request, activity.scan()), activity.scan().must_close())
        };
        let (app, activity) = (&app, &activity);
        async move {
            let response = dispatch::answer(app, audience, refusal, must_close, request).await;
            activity.borrow_mut().request_ended();
            Ok::<_, Infallible>(response)
        }
    });
    serve_requests(io, &activity, service, stop).await;
}

/// The same with any way to answer.
async fn serve_requests<I, S>(
    io: GuardedIo<I>,
    activity: &SharedActivity,
    service: S,
    stop: impl Future<Output = ()>,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER_BYTES)
        // Answers are small: one buffer, copied together, costs the kernel less than a list of two.
        .writev(false)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        // First of all, so that a request that is there already is seen before the end.
        biased;
        ended = connection.as_mut() => Some(ended),
        () = stop => None,
    };
    let ended = match ended {
        // hyper closes a connection that has said nothing yet, also while its first request is on the way.
        None if !activity.borrow().has_spoken() => {
            timeout(FIRST_REQUEST_PATIENCE, connection.as_mut()).await.ok()
        }
        ended => ended,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = ended {
        // A client that goes away or sends nonsense is its own affair.
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::{Request, Response};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::{Instant, sleep};

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// Runs a client against a connection that is asked to stop after a while; on a clock that only waiting moves.
    fn with_connection<F: Future<Output = ()>>(stop: Duration, client: impl FnOnce(DuplexStream) -> F) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (client_end, stream) = tokio::io::duplex(1024);
            spawn_local(async move {
                let activity = Activity::new();
                let io = GuardedIo::new(stream, Rc::clone(&activity));
                let service = service_fn(|_: Request<Incoming>| {
                    activity.borrow_mut().request_began();
                    let activity = &activity;
                    async move {
                        activity.borrow_mut().request_ended();
                        Ok::<_, Infallible>(Response::new(Body::new(Bytes::from_static(b"x"))))
                    }
                });
                serve_requests(io, &activity, service, sleep(stop)).await;
            });
            client(client_end).await;
        });
    }

    /// Everything until the service closes, and after how many milliseconds that is.
    async fn rest(client: &mut DuplexStream) -> (String, u128) {
        let began = Instant::now();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        (text, began.elapsed().as_millis())
    }

    #[test]
    fn a_request_that_is_there_when_the_end_comes_is_answered() {
        with_connection(Duration::ZERO, async |mut client| {
            client.write_all(GET).await.unwrap();
            assert!(rest(&mut client).await.0.ends_with("\r\n\r\nx"));
        });
    }

    #[test]
    fn the_first_request_of_a_connection_may_still_be_on_its_way_when_the_end_comes() {
        with_connection(Duration::ZERO, async |mut client| {
            sleep(Duration::from_millis(300)).await;
            client.write_all(GET).await.unwrap();
            assert!(rest(&mut client).await.0.ends_with("\r\n\r\nx"));
        });
    }

    #[test]
    fn a_connection_that_stays_silent_holds_up_the_end_only_shortly() {
        with_connection(Duration::from_secs(5), async |mut client| {
            let (text, took) = rest(&mut client).await;
            assert_eq!(text, "");
            assert!((5_400..5_700).contains(&took), "{took}");
        });
    }

    #[test]
    fn a_connection_between_two_requests_ends_at_once() {
        with_connection(Duration::from_secs(5), async |mut client| {
            client.write_all(GET).await.unwrap();
            let (text, took) = rest(&mut client).await;
            assert!(text.ends_with("\r\n\r\nx"), "{text}");
            assert!((4_900..5_100).contains(&took), "{took}");
        });
    }
}
