//! A long-lived server that Terraform attaches to by `TF_REATTACH_PROVIDERS`, with no process or handshake of its own.

use super::{Controller, ServeError, serve};
use crate::{
    backend::Backend,
    config::Environment,
    provider::{Provider, Role},
};
use serde_json::json;
use std::{io, path::Path, sync::Arc};
use tokio::{net::UnixListener, sync::watch};
use tonic::transport::Server;

/// Serves the provider of `role` at `socket`, applying to `backend`, until `stop` turns true (or its sender is gone).
///
/// A socket that is left over at the path is replaced. Terraform's own request to shut down is answered and ignored:
/// the server belongs to its process. Every connection has a configuration of its own.
pub async fn serve_reattach(
    socket: &Path,
    role: Role,
    backend: Arc<dyn Backend>,
    environment: Environment,
    stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    let provider = Provider::new(role, backend, environment);
    serve(Server::builder(), listener, provider, Controller { stop: None }, stop).await?;
    Ok(())
}

/// The value of `TF_REATTACH_PROVIDERS` for servers of this process: provider name (`hashicorp/aws`) and socket.
pub fn reattach_variable<'a>(servers: impl IntoIterator<Item = (&'a str, &'a Path)>) -> String {
    let entry = |(name, socket): (&str, &Path)| {
        let server = json!({
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": std::process::id(),
            // Terraform must not end a process that it did not start.
            "Test": true,
            "Addr": { "Network": "unix", "String": socket },
        });
        (name.to_owned(), server)
    };
    serde_json::Value::Object(servers.into_iter().map(entry).collect()).to_string()
}
