//! Read lanes: reads that arrived together are answered by one query.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hello_pg::Lsn;
use postgres_types::Type;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_postgres::Statement;

use super::cluster::Cluster;
use super::connect::Connection;
use super::date::SqlDate;
use super::lane::{Connections, Prepare};
use super::queue::{Queue, Request};
use super::sql;
use super::topology::{HostId, Reader, Topology};
use crate::domain::{BirthDate, Username};
use crate::store::StoreError;

/// The most reads answered by one query. Larger batches make the first of them wait for the last.
const MAX_BATCH: usize = 256;
/// How long a host may take for one batch before the next host is asked. A batch takes well under a millisecond; a host
/// that needs this long is as good as gone, and the request still has time for another one.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);

/// A read that waits.
#[derive(Debug)]
pub(super) struct Find {
    pub(super) username: Username,
    /// The answer must come from a host that has replayed this.
    pub(super) at_least: Option<Lsn>,
    pub(super) reply: oneshot::Sender<FindResult>,
}

impl Request for Find {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

pub(super) type FindResult = Result<Option<BirthDate>, StoreError>;

/// Which hosts a lane reads from.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReadsFrom {
    /// The hosts that share the load; lanes spread over them by number.
    Preferred(usize),
    /// The primary, for reads that no replica is known to be able to answer yet.
    Writer,
}

/// Serves a queue for ever.
pub(super) async fn run(cluster: Arc<Cluster>, queue: Arc<Queue<Find>>, from: ReadsFrom) {
    let mut connections = Connections::new(cluster.host_count());
    loop {
        let batch = queue.take(MAX_BATCH, |_, _| true).await;
        cluster.metrics().read_batch(batch.len());
        answer(&cluster, &mut connections, from, batch).await;
    }
}

async fn answer(
    cluster: &Cluster,
    connections: &mut Connections<ReadConnection>,
    from: ReadsFrom,
    mut batch: Vec<Find>,
) {
    let mut unanswered = StoreError::Unavailable("no host can be read from");
    for host in hosts_to_try(&cluster.topology(), from) {
        // What was seen in the meantime may have fenced it.
        let Some(&reader) = cluster.topology().reader(host) else { continue };
        match attempt(cluster, connections, reader, &batch).await {
            Ok(found) => {
                cluster.host_served(host);
                batch = reply(batch, &found);
                if batch.is_empty() {
                    return;
                }
                unanswered = StoreError::NotYetReplayed;
            }
            Err(error) => {
                tracing::warn!(host = host.0, %error, "a read failed; the next host is asked");
                connections.drop_connection(host);
                cluster.suspect(host);
            }
        }
    }
    for find in batch {
        let _ = find.reply.send(Err(unanswered.clone()));
    }
}

/// The hosts in the order in which this lane tries them. The first one comes again at the end: its connection may have
/// been ended alone, as an administrator does, and a fresh one work.
fn hosts_to_try(topology: &Topology, from: ReadsFrom) -> Vec<HostId> {
    let mut hosts: Vec<HostId> = topology.readers.iter().map(|reader| reader.host).collect();
    match from {
        ReadsFrom::Preferred(lane) if topology.preferred > 1 => {
            hosts[..topology.preferred].rotate_left(lane % topology.preferred);
        }
        ReadsFrom::Preferred(_) => {}
        ReadsFrom::Writer => {
            if let Some(at) = hosts.iter().position(|host| Some(*host) == topology.writer) {
                hosts[..=at].rotate_right(1);
            }
        }
    }
    hosts.extend(hosts.first().copied());
    hosts
}

/// What one query found.
struct Found {
    /// Only those that are there.
    dates: HashMap<Box<str>, BirthDate>,
    /// How far the host had replayed before the query, where that had to be asked.
    replayed: Option<Lsn>,
}

async fn attempt(
    cluster: &Cluster,
    connections: &mut Connections<ReadConnection>,
    reader: Reader,
    batch: &[Find],
) -> Result<Found, AttemptError> {
    let ask_position = batch.iter().any(|find| !reader.is_known_to_have(find.at_least));
    let connection = connections.get(cluster, reader.host).await?;
    let query = connection.find(batch, ask_position);
    Ok(timeout(ATTEMPT_TIMEOUT, query).await.map_err(|_| AttemptError::TimedOut)??)
}

/// Answers whom it can; those whose position the host has not replayed remain.
fn reply(batch: Vec<Find>, found: &Found) -> Vec<Find> {
    let mut remaining = Vec::new();
    for find in batch {
        let too_early = found.replayed.is_some_and(|replayed| find.at_least > Some(replayed));
        if too_early {
            remaining.push(find);
        } else {
            let date = found.dates.get(find.username.as_str()).copied();
            let _ = find.reply.send(Ok(date));
        }
    }
    remaining
}

#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Connect(#[from] super::connect::ConnectError),
    #[error("no answer in time")]
    TimedOut,
    #[error("{0}")]
    Query(#[from] tokio_postgres::Error),
}

/// A connection with what a read lane needs prepared.
#[derive(Debug)]
struct ReadConnection {
    connection: Connection,
    find: Statement,
}

impl Prepare for ReadConnection {
    async fn prepare(connection: Connection) -> Result<Self, tokio_postgres::Error> {
        let (session, find) = tokio::join!(
            connection.batch_execute(sql::READ_SESSION),
            connection.prepare_typed(sql::FIND, &[Type::TEXT_ARRAY]),
        );
        session?;
        Ok(Self { find: find?, connection })
    }

    fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl ReadConnection {
    async fn find(&self, batch: &[Find], with_position: bool) -> Result<Found, tokio_postgres::Error> {
        let names: Vec<&str> = batch.iter().map(|find| find.username.as_str()).collect();
        let replayed = async {
            if with_position {
                let row = self.connection.query_typed_one(sql::REPLAYED_LSN, &[]).await?;
                row.try_get(0)
            } else {
                Ok(None)
            }
        };
        // Pipelined in this order: what is replayed before the query can be seen by it.
        let parameters: [&(dyn postgres_types::ToSql + Sync); 1] = [&names];
        let (replayed, rows) = tokio::join!(biased; replayed, self.connection.query(&self.find, &parameters));
        let mut dates = HashMap::with_capacity(batch.len());
        for row in rows? {
            let date: SqlDate = row.try_get(1)?;
            dates.insert(row.try_get::<_, &str>(0)?.into(), date.0);
        }
        Ok(Found { dates, replayed: replayed? })
    }
}
