//! go-plugin's handshake: a line on standard output says where the server listens and which certificate it has.

use super::{Controller, serve};
use crate::{backend::made_up::Digits, provider::Provider};
use base64::Engine as _;
use std::{
    io::{self, Write as _},
    os::unix::{fs::DirBuilderExt as _, process::parent_id},
    path::PathBuf,
    time::Duration,
};
use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tonic::transport::{Identity, Server, ServerTlsConfig};

/// The variable and value by which Terraform shows that it is Terraform.
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");
/// Version of the handshake, and of Terraform's protocol.
const VERSIONS: &str = "1|6";

/// Why the provider could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Started by hand.
    #[error(
        "this is a Terraform provider, which Terraform starts itself: name its directory in dev_overrides of a CLI \
         configuration (docs/PROVIDER.md)"
    )]
    NotTerraform,
    /// No socket or no handshake.
    #[error("cannot listen for Terraform: {0}")]
    Io(#[from] io::Error),
    /// No certificate.
    #[error("cannot make a certificate for Terraform: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The server ended early.
    #[error("serving Terraform failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// The directory of the socket, removed at the end.
struct SocketDirectory(PathBuf);

impl SocketDirectory {
    /// A new directory that nobody else may enter. Others may write to the directory around it, so it must be new.
    fn new() -> io::Result<SocketDirectory> {
        let name = format!("terraform-provider-{}", Digits::random().text("0123456789abcdef", 16));
        let directory = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(SocketDirectory(directory))
    }
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        // Nothing to be done about a directory that will not go; it is empty and in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How often the process looks whether Terraform is still there. A run lasts longer than this, an orphan hardly.
const PARENT_CHECK: Duration = Duration::from_secs(1);

/// Stops the server when Terraform is gone without a word (killed), or when the process is asked to end.
///
/// An interrupt is not such a request: a terminal sends it to every process of the run, and Terraform, which gets it
/// too, still needs its providers to finish what they do.
fn stop_with_terraform(stop: watch::Sender<bool>) -> io::Result<impl Future<Output = ()>> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let parent = parent_id();
    let mut checks = tokio::time::interval(PARENT_CHECK);
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => break,
                _ = checks.tick() => {
                    if parent_id() != parent {
                        break;
                    }
                }
            }
        }
        stop.send_replace(true);
    })
}

/// Serves one Terraform run as its plugin process, until Terraform asks for the end or goes away.
pub async fn serve_plugin(
    provider: Provider,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), ServeError> {
    if variable(COOKIE.0).as_deref() != Some(COOKIE.1) {
        return Err(ServeError::NotTerraform);
    }
    let directory = SocketDirectory::new()?;
    let socket = directory.0.join("socket");
    let listener = UnixListener::bind(&socket)?;
    let mut server = Server::builder();
    let mut certificate = String::new();
    // Terraform offers a certificate where it wants TLS, and then waits for ours.
    if variable("PLUGIN_CLIENT_CERT").is_some_and(|offered| !offered.is_empty()) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        certificate = base64::engine::general_purpose::STANDARD_NO_PAD.encode(made.cert.der());
        let identity = Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    let (stop, stopped) = watch::channel(false);
    let watching = tokio::spawn(stop_with_terraform(stop.clone())?);
    let mut out = io::stdout();
    writeln!(out, "{VERSIONS}|unix|{}|grpc|{certificate}", socket.display())?;
    out.flush()?;
    let served = serve(server, listener, provider, Controller { stop: Some(stop) }, stopped).await;
    watching.abort();
    Ok(served?)
}
