//! Serving the provider to Terraform: as a plugin process of its own, or from a long-lived server over reattach.

mod connection;
mod handshake;
mod reattach;

pub use handshake::{ServeError, serve_plugin};
pub use reattach::{reattach_variable, serve_reattach};

use crate::{
    proto::{plugin::grpc_controller_server::GrpcControllerServer, provider_server::ProviderServer},
    provider::Provider,
};
use connection::{Controller, connections};
use tokio::{net::UnixListener, sync::watch};
use tonic::transport::Server;

/// Terraform's own bound on a message, in bytes.
const MAX_MESSAGE: usize = 256 << 20;

/// Serves until `stop` changes or Terraform asks for the end.
async fn serve(
    mut server: Server,
    listener: UnixListener,
    provider: Provider,
    controller: Controller,
    mut stop: watch::Receiver<bool>,
) -> Result<(), tonic::transport::Error> {
    let provider = ProviderServer::new(provider)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    server
        .add_service(provider)
        .add_service(GrpcControllerServer::new(controller))
        .serve_with_incoming_shutdown(connections(listener), async move {
            // An error means that nobody is left who could ask for the end: that is the end too.
            let _ = stop.wait_for(|stop| *stop).await;
        })
        .await
}
