//! What read and write lanes share: connections to the hosts, opened when needed and dropped when they fail.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::cluster::Cluster;
use super::connect::{ConnectError, Connection};
use super::topology::HostId;

/// How long one attempt to open a connection may take on the way of a request.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// After a failed attempt a lane leaves the host alone for this long, so that a host that refuses connections is not
/// asked for one by every batch.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);

/// Prepares a fresh connection for a lane's purpose.
pub(super) trait Prepare: Sized {
    /// Sets up the session and prepares the statements.
    fn prepare(connection: Connection) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send;
    /// The connection inside.
    fn connection(&self) -> &Connection;
}

/// A lane's connection to one host.
#[derive(Debug)]
struct Slot<C> {
    connection: Option<C>,
    not_before: Option<Instant>,
}

/// A lane's connections: at most one to each host.
#[derive(Debug)]
pub(super) struct Connections<C> {
    slots: Vec<Slot<C>>,
}

impl<C: Prepare> Connections<C> {
    pub(super) fn new(hosts: usize) -> Self {
        Self { slots: (0..hosts).map(|_| Slot { connection: None, not_before: None }).collect() }
    }

    /// The open connection to a host, opened now if there is none.
    pub(super) async fn get(&mut self, cluster: &Cluster, host: HostId) -> Result<&C, ConnectError> {
        let slot = &mut self.slots[host.0];
        if slot.connection.as_ref().is_some_and(|open| open.connection().is_closed()) {
            slot.connection = None;
        }
        if slot.connection.is_none() {
            if slot.not_before.is_some_and(|not_before| Instant::now() < not_before) {
                return Err(ConnectError::TriedJustNow);
            }
            match timeout(CONNECT_TIMEOUT, open(cluster, host)).await.unwrap_or(Err(ConnectError::TimedOut)) {
                Ok(connection) => slot.connection = Some(connection),
                Err(error) => {
                    slot.not_before = Some(Instant::now() + RECONNECT_AFTER);
                    return Err(error);
                }
            }
        }
        Ok(slot.connection.as_ref().expect("opened just above where there was none"))
    }

    /// Closes the connection to a host, after it failed.
    pub(super) fn drop_connection(&mut self, host: HostId) {
        self.slots[host.0].connection = None;
    }
}

async fn open<C: Prepare>(cluster: &Cluster, host: HostId) -> Result<C, ConnectError> {
    let connection = cluster.connector().connect(host).await?;
    Ok(C::prepare(connection).await?)
}
