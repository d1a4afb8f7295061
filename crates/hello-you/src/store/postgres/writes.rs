//! Write lanes: writes that arrived together are committed together, and answered after the commit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hello_pg::Lsn;
use postgres_types::{ToSql, Type};
use tokio::time::timeout;
use tokio_postgres::Statement;
use tokio_postgres::error::SqlState;

use super::cluster::Cluster;
use super::connect::Connection;
use super::date::SqlDate;
use super::lane::{Connections, Prepare};
use super::queue::{Queue, Request};
use super::sql;
use crate::domain::BirthDate;
use crate::store::write::{Change, Write};
use crate::store::{Position, StoreError};

/// The most writes committed together. Beyond this the commit's own cost is already spread thin.
const MAX_BATCH: usize = 256;
/// How often a batch is repeated that PostgreSQL rolled back for a reason that repetition heals.
const MOST_ATTEMPTS: usize = 3;

impl Request for Write {
    fn is_abandoned(&self) -> bool {
        Write::is_abandoned(self)
    }
}

/// Serves a queue for ever. `request_timeout`: how long a caller waits, so how long a batch may take.
pub(super) async fn run(cluster: Arc<Cluster>, queue: Arc<Queue<Write>>, request_timeout: Duration) {
    let mut connections = Connections::new(cluster.host_count());
    loop {
        let batch = queue.take(MAX_BATCH, |a, b| a.is_put() == b.is_put()).await;
        cluster.metrics().write_batch(batch.len());
        let result = commit(&cluster, &mut connections, &batch, request_timeout).await;
        match result {
            Ok(committed) => reply(batch, &committed),
            // One row that PostgreSQL refuses must not fail its neighbours: each is tried alone.
            Err(StoreError::Failed(_)) if batch.len() > 1 => {
                for write in batch {
                    let alone = [write];
                    let result = commit(&cluster, &mut connections, &alone, request_timeout).await;
                    let [write] = alone;
                    match result {
                        Ok(committed) => reply(vec![write], &committed),
                        Err(error) => write.answer(Err(error), None),
                    }
                }
            }
            Err(error) => {
                for write in batch {
                    write.answer(Err(error.clone()), None);
                }
            }
        }
    }
}

/// What a committed batch did.
struct Committed {
    /// Users that a put made, or that a delete removed.
    touched: HashSet<Box<str>>,
    position: Position,
}

/// Gives every caller its answer. Of several puts of one new user in a batch the first one made it; of several deletes
/// the first one removed it.
fn reply(batch: Vec<Write>, committed: &Committed) {
    let mut answered: HashSet<&str> = HashSet::new();
    for write in batch {
        let touched = committed.touched.get(write.username.as_str());
        let first = touched.is_some_and(|name| answered.insert(name));
        // A put touches whom it made, a delete whom it removed.
        let existed = first != write.is_put();
        write.answer(Ok(existed), Some(committed.position));
    }
}

async fn commit(
    cluster: &Cluster,
    connections: &mut Connections<WriteConnection>,
    batch: &[Write],
    request_timeout: Duration,
) -> Result<Committed, StoreError> {
    for _ in 0..MOST_ATTEMPTS {
        let topology = cluster.topology();
        let (Some(host), Some(system_id), Some(timeline)) =
            (topology.writer, topology.epoch.system_id, topology.epoch.timeline)
        else {
            return Err(StoreError::Unavailable("no host accepts writes"));
        };
        let connection = match connections.get(cluster, host).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(host = host.0, %error, "cannot connect to write");
                cluster.suspect(host);
                return Err(StoreError::Unavailable("the primary cannot be reached"));
            }
        };
        let outcome = timeout(request_timeout, connection.commit(batch)).await;
        match outcome {
            Ok(Ok((touched, lsn))) => {
                cluster.host_served(host);
                cluster.write_succeeded();
                return Ok(Committed { touched, position: Position { system_id, timeline, lsn } });
            }
            Ok(Err(error)) => match judge(&error) {
                Verdict::RolledBackTryAgain => {}
                Verdict::Refused(reason) => {
                    tracing::warn!(host = host.0, %error, "a write was refused");
                    cluster.suspect(host);
                    return Err(StoreError::Unavailable(reason));
                }
                Verdict::Unconfirmed => {
                    tracing::warn!(host = host.0, %error, "the connection broke during a write");
                    connections.drop_connection(host);
                    cluster.suspect(host);
                    return Err(StoreError::WriteUnconfirmed);
                }
                Verdict::Failed => {
                    return Err(StoreError::Failed(error.to_string()));
                }
            },
            Err(_) => {
                connections.drop_connection(host);
                cluster.suspect(host);
                return Err(StoreError::WriteUnconfirmed);
            }
        }
    }
    Err(StoreError::Unavailable("the write conflicted with others again and again"))
}

/// What an error means for a write.
enum Verdict {
    /// Nothing was stored; the same again may succeed.
    RolledBackTryAgain,
    /// Nothing was stored, and repeating it at once does not help.
    Refused(&'static str),
    /// Nobody knows whether it was stored.
    Unconfirmed,
    /// Nothing was stored: a defect, or bad data.
    Failed,
}

fn judge(error: &tokio_postgres::Error) -> Verdict {
    let Some(code) = error.code() else {
        return Verdict::Unconfirmed;
    };
    match *code {
        SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE => Verdict::RolledBackTryAgain,
        SqlState::READ_ONLY_SQL_TRANSACTION => Verdict::Refused("the primary is set read-only"),
        SqlState::DISK_FULL | SqlState::OUT_OF_MEMORY | SqlState::INSUFFICIENT_RESOURCES => {
            Verdict::Refused("the database has no room")
        }
        SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => {
            Verdict::Refused("the database is too slow")
        }
        SqlState::UNDEFINED_TABLE => Verdict::Refused("the schema is not there yet"),
        SqlState::INSUFFICIENT_PRIVILEGE => Verdict::Refused("the database user may not write"),
        // Class 57P: the server ends the session. It may do so after the commit and before its confirmation.
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            Verdict::Unconfirmed
        }
        _ => Verdict::Failed,
    }
}

/// A connection with what a write lane needs prepared.
#[derive(Debug)]
struct WriteConnection {
    connection: Connection,
    put: Statement,
    delete: Statement,
    written_lsn: Statement,
}

impl Prepare for WriteConnection {
    async fn prepare(connection: Connection) -> Result<Self, tokio_postgres::Error> {
        let (session, put, delete, written_lsn) = tokio::join!(
            connection.batch_execute(sql::WRITE_SESSION),
            connection.prepare_typed(sql::PUT, &[Type::TEXT_ARRAY, Type::DATE_ARRAY]),
            connection.prepare_typed(sql::DELETE, &[Type::TEXT_ARRAY]),
            connection.prepare(sql::WRITTEN_LSN),
        );
        session?;
        Ok(Self { put: put?, delete: delete?, written_lsn: written_lsn?, connection })
    }

    fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl WriteConnection {
    /// One statement, its own transaction, and right behind it the question how far the log is written.
    async fn commit(&self, batch: &[Write]) -> Result<(HashSet<Box<str>>, Lsn), tokio_postgres::Error> {
        // The last put of a user wins; sorted, so that instances lock rows in one order.
        let mut last: HashMap<&str, Option<BirthDate>> = HashMap::with_capacity(batch.len());
        for write in batch {
            let date = match write.change {
                Change::Put { date_of_birth, .. } => Some(date_of_birth),
                Change::Delete { .. } => None,
            };
            last.insert(write.username.as_str(), date);
        }
        let mut rows: Vec<(&str, Option<BirthDate>)> = last.into_iter().collect();
        rows.sort_unstable_by_key(|(name, _)| *name);
        let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();

        if batch.first().is_some_and(Write::is_put) {
            let dates: Vec<SqlDate> = rows.iter().filter_map(|(_, date)| date.map(SqlDate)).collect();
            let parameters: [&(dyn ToSql + Sync); 2] = [&names, &dates];
            let (rows, lsn) = tokio::join!(biased;
                self.connection.query(&self.put, &parameters),
                self.connection.query_one(&self.written_lsn, &[]),
            );
            let mut created = HashSet::new();
            for row in rows? {
                if row.try_get(1)? {
                    created.insert(row.try_get::<_, &str>(0)?.into());
                }
            }
            Ok((created, lsn?.try_get(0)?))
        } else {
            let parameters: [&(dyn ToSql + Sync); 1] = [&names];
            let (rows, lsn) = tokio::join!(biased;
                self.connection.query(&self.delete, &parameters),
                self.connection.query_one(&self.written_lsn, &[]),
            );
            let gone = rows?
                .iter()
                .map(|row| row.try_get::<_, &str>(0).map(Into::into))
                .collect::<Result<_, _>>()?;
            Ok((gone, lsn?.try_get(0)?))
        }
    }
}
