//! Connections to the hosts of the settings: addresses, TLS, time limits.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls::{self, TlsError};
use super::topology::HostId;
use crate::config::{HostAddress, PostgresConfig, TlsMode};

/// The kernel gives up a connection whose data is not acknowledged for this long; without it a host that vanished
/// without a word would hold a connection for a quarter of an hour (`tcp_retries2`).
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(3);
/// An idle connection is probed after this long, so that it is known to be gone before it is used.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Opens connections to the hosts.
pub(super) struct Connector {
    hosts: Vec<Config>,
    /// How many connections are open, by host.
    open: Vec<Arc<AtomicUsize>>,
    tls: Option<MakeRustlsConnect>,
}

/// A connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// Refused, unreachable, no such database, wrong password, no room.
    #[error("{}", error_chain(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The host did not answer in time.
    #[error("no connection in time")]
    TimedOut,
    /// An attempt failed a moment ago.
    #[error("the last attempt to connect has just failed")]
    TriedJustNow,
}

impl Connector {
    /// Prepares connections to `hosts`, then `far_hosts`, in that order.
    pub(super) fn new(config: &PostgresConfig) -> Result<Self, TlsError> {
        let tls = match config.tls {
            TlsMode::Disable => None,
            TlsMode::Require | TlsMode::VerifyFull => {
                Some(MakeRustlsConnect::new(tls::client_config(config.tls, &config.ca)?))
            }
        };
        let hosts: Vec<Config> = config
            .hosts
            .iter()
            .chain(&config.far_hosts)
            .map(|host| Self::host_config(config, host))
            .collect();
        Ok(Self { open: hosts.iter().map(|_| Arc::default()).collect(), hosts, tls })
    }

    fn host_config(config: &PostgresConfig, address: &HostAddress) -> Config {
        let mut host = Config::new();
        host.host(&address.host)
            .port(address.port)
            .dbname(&config.dbname)
            .user(&config.user)
            .application_name(&config.application_name)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE);
        host.ssl_mode(match config.tls {
            TlsMode::Disable => tokio_postgres::config::SslMode::Disable,
            TlsMode::Require | TlsMode::VerifyFull => tokio_postgres::config::SslMode::Require,
        });
        if let Some(password) = &config.password {
            host.password(password.expose());
        }
        host
    }

    /// Opens a connection to a host. The caller limits the time.
    pub(super) async fn connect(&self, host: HostId) -> Result<Connection, ConnectError> {
        let config = &self.hosts[host.0];
        // One task drives each connection; it ends with the connection, or is aborted with its handle.
        let (client, driver) = match &self.tls {
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
        };
        let open = Arc::clone(&self.open[host.0]);
        open.fetch_add(1, Ordering::Relaxed);
        Ok(Connection { client: Arc::new(client), driver, open })
    }

    /// How many connections to a host are open.
    pub(super) fn open_connections(&self, host: HostId) -> usize {
        self.open[host.0].load(Ordering::Relaxed)
    }
}

/// The configuration holds a password.
impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("hosts", &self.hosts.len()).finish_non_exhaustive()
    }
}

/// An open connection. Dropping it closes it at once, whatever is still under way.
#[derive(Debug)]
pub(super) struct Connection {
    client: Arc<Client>,
    driver: JoinHandle<()>,
    /// Counts it.
    open: Arc<AtomicUsize>,
}

impl Connection {
    /// The client, to share it.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An error with its causes in one line.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
