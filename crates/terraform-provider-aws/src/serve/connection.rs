//! Connections that carry the configuration of the provider instance behind them.

use crate::{
    proto::plugin::{Empty, grpc_controller_server::GrpcController},
    provider::Connection,
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::watch,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::UnixListenerStream};
use tonic::{Request, Response, Status, transport::server::Connected};

/// The connections that `listener` accepts.
pub(super) fn connections(listener: UnixListener) -> impl Stream<Item = io::Result<Socket>> {
    UnixListenerStream::new(listener)
        .map(|accepted| accepted.map(|stream| Socket { stream, connection: Arc::default() }))
}

/// One connection of Terraform.
pub(super) struct Socket {
    stream: UnixStream,
    connection: Arc<Connection>,
}

impl Connected for Socket {
    type ConnectInfo = Arc<Connection>;

    fn connect_info(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// go-plugin's controller: Terraform asks a plugin process to end.
pub(super) struct Controller {
    /// `None` where Terraform may not end the server: it belongs to somebody else.
    pub(super) stop: Option<watch::Sender<bool>>,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        if let Some(stop) = &self.stop {
            stop.send_replace(true);
        }
        Ok(Response::new(Empty {}))
    }
}
