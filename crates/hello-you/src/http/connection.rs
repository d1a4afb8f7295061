//! One client's connection, from the first byte to the last.

use std::convert::Infallible;
use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;

use super::guarded_io::{Activity, GuardedIo};
use super::{App, Audience, dispatch};

/// A head with more bytes is answered 431: the longest honest one has a name of 50 characters and a few tokens.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// hyper's smallest; a connection that waits holds no buffer.
const MAX_BUFFER_BYTES: usize = 32 * 1024;
/// More header lines than any honest client sends.
const MAX_HEADERS: usize = 100;

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
        ended = connection.as_mut() => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that goes away or sends nonsense is its own affair.
        tracing::debug!(%error, "a connection ended early");
    }
}
