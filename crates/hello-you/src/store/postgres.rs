//! PostgreSQL: a primary and its replicas, through their faults.
//!
//! - [`topology`](self): a pure decision which host is written to and which are read from.
//! - `monitor`: looks at each host every second; on the primary also migrations, epoch and heartbeat.
//! - `cluster`: what the monitors saw and what was decided, shared by all threads.
//! - `queue`, `reads`, `writes`, `lane`: requests that arrive together become one query or one commit.
//! - `connect`, `tls`, `sql`, `date`: towards PostgreSQL.
//! - [`epoch_source`]: room for a witness in a third place.
//! - `migrate`: the schema and the role that serves.
//!
//! Each worker thread has lanes and connections of its own, so a request never crosses threads; the monitors run on the
//! main thread. A host gets at most `DB_POOL_SIZE` connections from a process: one of its monitor and one of each lane.

mod cluster;
mod connect;
mod date;
pub mod epoch_source;
mod lane;
mod migrate;
mod monitor;
mod queue;
mod reads;
mod sql;
mod tls;
mod topology;
mod writes;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hello_pg::Lsn;
use postgres_types::Type;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::cluster::Cluster;
use self::connect::Connector;
use self::date::SqlDate;
use self::queue::{Full, Queue, Request};
use self::reads::{Find, ReadsFrom};
use self::topology::{HostId, Nearness, Topology};
use crate::config::PostgresConfig;
use crate::domain::{BirthDate, Username};
use crate::store::write::{Change, Write};
use crate::store::{Condition, Deleted, Position, Put, Store, StoreError, User, Written};
use crate::telemetry::{Operation, StoreMetrics};

pub use self::migrate::{MigrateError, migrate};
pub use self::tls::TlsError;

/// Requests that may wait in one worker's queue. At 100,000 requests/s this is 20 ms of work; a queue that is longer
/// serves nobody, since its callers have given up by the time they are reached.
const QUEUE_CAPACITY: usize = 2048;

/// The fewest connections a worker needs: read, read from the primary, write.
const FEWEST_LANES: usize = 3;

/// The database hosts as the whole process sees them. Made once; each worker gets a [`PostgresStore`] from it.
#[derive(Debug)]
pub struct Postgres {
    cluster: Arc<Cluster>,
    request_timeout: Duration,
    lanes: Lanes,
    workers: Arc<Mutex<Vec<Queues>>>,
}

/// The queues of one worker.
#[derive(Debug, Clone)]
struct Queues {
    reads: Arc<Queue<Find>>,
    writer_reads: Arc<Queue<Find>>,
    writes: Arc<Queue<Write>>,
}

impl Queues {
    fn new() -> Self {
        Self {
            reads: Arc::new(Queue::new(QUEUE_CAPACITY)),
            writer_reads: Arc::new(Queue::new(QUEUE_CAPACITY)),
            writes: Arc::new(Queue::new(QUEUE_CAPACITY)),
        }
    }
}

/// How the pool is divided among the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lanes {
    workers: usize,
    reads: usize,
    writes: usize,
}

impl Lanes {
    /// One connection is the monitor's. Of each worker's share one lane reads from the primary for clients that must
    /// see their own writes; the others are divided between reads and writes.
    fn divide(pool_size: usize, wanted_workers: usize) -> Self {
        let available = pool_size.saturating_sub(1);
        let workers = wanted_workers.min(available / FEWEST_LANES).max(1);
        // Two batches in flight keep a worker and PostgreSQL busy at once; more only make batches smaller.
        let per_worker = (available / workers).clamp(FEWEST_LANES, 5) - 1;
        let writes = per_worker / 2;
        Self { workers, reads: per_worker - writes, writes }
    }
}

impl Postgres {
    /// Prepares everything; nothing is connected before [`Self::monitors`] run.
    pub fn new(
        config: &PostgresConfig,
        wanted_workers: usize,
        request_timeout: Duration,
        metrics: StoreMetrics,
    ) -> Result<Self, TlsError> {
        let nearness: Vec<Nearness> = std::iter::repeat_n(Nearness::Near, config.hosts.len())
            .chain(std::iter::repeat_n(Nearness::Far, config.far_hosts.len()))
            .collect();
        let connector = Connector::new(config)?;
        let cluster =
            Cluster::new(connector, &nearness, config.min_timeline, config.max_replica_lag, metrics);
        Ok(Self {
            cluster: Arc::new(cluster),
            request_timeout,
            lanes: Lanes::divide(config.pool_size, wanted_workers),
            workers: Arc::default(),
        })
    }

    /// How many worker threads the pool suffices for.
    pub fn workers(&self) -> usize {
        self.lanes.workers
    }

    /// The futures that look at the hosts for ever, one each. `migrate`: run pending migrations on the primary.
    pub fn monitors(&self, migrate: bool) -> impl Iterator<Item = impl Future<Output = ()> + Send + use<>> {
        let cluster = Arc::clone(&self.cluster);
        (0..cluster.host_count()).map(move |host| monitor::run(Arc::clone(&cluster), HostId(host), migrate))
    }

    /// The store of one worker. Must be called within that worker's runtime, which runs its lanes.
    pub fn for_worker(&self) -> PostgresStore {
        let queues = Queues::new();
        for lane in 0..self.lanes.reads {
            let (cluster, queue) = (Arc::clone(&self.cluster), Arc::clone(&queues.reads));
            tokio::spawn(reads::run(cluster, queue, ReadsFrom::Preferred(lane)));
        }
        let (cluster, queue) = (Arc::clone(&self.cluster), Arc::clone(&queues.writer_reads));
        tokio::spawn(reads::run(cluster, queue, ReadsFrom::Writer));
        for _ in 0..self.lanes.writes {
            let (cluster, queue) = (Arc::clone(&self.cluster), Arc::clone(&queues.writes));
            tokio::spawn(writes::run(cluster, queue, self.request_timeout));
        }
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(queues.clone());
        PostgresStore {
            cluster: Arc::clone(&self.cluster),
            request_timeout: self.request_timeout,
            queues,
            workers: Arc::clone(&self.workers),
        }
    }
}

/// Users in PostgreSQL, as one worker sees them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    cluster: Arc<Cluster>,
    request_timeout: Duration,
    queues: Queues,
    /// Those of all workers, to be measured.
    workers: Arc<Mutex<Vec<Queues>>>,
}

impl PostgresStore {
    /// What was decided last; right after the start, once there is a host to read from or each has been asked.
    async fn topology(&self) -> Result<Arc<Topology>, StoreError> {
        let topology = self.cluster.topology();
        if topology.settled || !topology.readers.is_empty() {
            return Ok(topology);
        }
        let settled = timeout(self.request_timeout, self.cluster.settled()).await;
        settled.map_err(|_| StoreError::Unavailable("no host has answered yet"))?;
        Ok(self.cluster.topology())
    }

    /// Waits for what a lane answers, as long as a request may take.
    async fn answer<T>(
        &self,
        reply: oneshot::Receiver<Result<T, StoreError>>,
        too_late: StoreError,
    ) -> Result<T, StoreError> {
        match timeout(self.request_timeout, reply).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(StoreError::Unavailable("the request was dropped")),
            Err(_) => Err(too_late),
        }
    }

    fn enqueue<T: Request>(
        &self,
        queue: &Queue<T>,
        request: T,
        operation: Operation,
    ) -> Result<(), StoreError> {
        queue.push(request).map_err(|Full| {
            self.cluster.metrics().rejected(operation);
            StoreError::Overloaded
        })
    }

    /// Brings the gauges of what waits up to date, for all workers.
    fn measure_queues(&self) {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = workers.iter().map(|queues| queues.reads.len() + queues.writer_reads.len()).sum();
        let writes = workers.iter().map(|queues| queues.writes.len()).sum();
        self.cluster.metrics().queued(reads, writes);
    }

    /// Takes in what a token proves: we signed it, so its timeline exists, and hosts on a lower one are fenced from now
    /// on.
    fn raise_epoch(&self, topology: &Topology, after: Option<Position>) {
        if let Some(after) = after
            && Some(after.timeline) > topology.epoch.timeline
        {
            self.cluster.timeline_seen(after.system_id, after.timeline);
        }
    }
}

/// How far the host that answers a read must have replayed, if the position still means something: that of another
/// database, or of a timeline that has been left, does not.
fn at_least(topology: &Topology, after: Option<Position>) -> Option<Lsn> {
    after
        .filter(|after| topology.epoch.system_id == Some(after.system_id))
        .filter(|after| Some(after.timeline) >= topology.epoch.timeline)
        .map(|after| after.lsn)
}

impl Store for PostgresStore {
    async fn find(
        &self,
        username: &Username,
        after: Option<Position>,
    ) -> Result<Option<BirthDate>, StoreError> {
        let topology = self.topology().await?;
        if topology.readers.is_empty() {
            return Err(StoreError::Unavailable("no host can be read from"));
        }
        self.raise_epoch(&topology, after);
        let at_least = at_least(&topology, after);
        // The replicas answer who they are known to have replayed enough for, and everyone else where there is no
        // primary; they are asked how far they are then.
        let queue = if topology.preferred_have_replayed(at_least) || topology.writer.is_none() {
            &self.queues.reads
        } else {
            &self.queues.writer_reads
        };
        let (reply, answer) = oneshot::channel();
        self.enqueue(queue, Find { username: username.clone(), at_least, reply }, Operation::Read)?;
        self.answer(answer, StoreError::Unavailable("no host answered in time")).await
    }

    async fn put(&self, username: &Username, date_of_birth: BirthDate) -> Result<Written<Put>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let write = Write { username: username.clone(), change: Change::Put { date_of_birth, reply } };
        self.enqueue(&self.queues.writes, write, Operation::Write)?;
        self.answer(answer, StoreError::WriteUnconfirmed).await
    }

    async fn delete(&self, username: &Username) -> Result<Written<Deleted>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let write = Write { username: username.clone(), change: Change::Delete { reply } };
        self.enqueue(&self.queues.writes, write, Operation::Write)?;
        self.answer(answer, StoreError::WriteUnconfirmed).await
    }

    async fn page(&self, after: Option<&Username>, limit: usize) -> Result<Vec<User>, StoreError> {
        let topology = self.topology().await?;
        let client = topology.readers.iter().find_map(|reader| self.cluster.client(reader.host));
        let client = client.ok_or(StoreError::Unavailable("no host can be read from"))?;
        let after = after.map(Username::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters: [(&(dyn postgres_types::ToSql + Sync), Type); 2] =
            [(&after, Type::TEXT), (&limit, Type::INT8)];
        let rows = timeout(self.request_timeout, client.query_typed(sql::PAGE, &parameters))
            .await
            .map_err(|_| StoreError::Unavailable("no host answered in time"))?
            .map_err(|error| {
                tracing::warn!(%error, "a page of users could not be read");
                StoreError::Unavailable("a host failed")
            })?;
        rows.iter()
            .map(|row| {
                let stored = |error: tokio_postgres::Error| StoreError::Failed(error.to_string());
                let username = Username::parse(row.try_get(0).map_err(stored)?)
                    .map_err(|error| StoreError::Failed(error.to_string()))?;
                let date: SqlDate = row.try_get(1).map_err(stored)?;
                Ok(User { username, date_of_birth: date.0 })
            })
            .collect()
    }

    fn condition(&self) -> Condition {
        self.measure_queues();
        self.cluster.condition()
    }
}

#[cfg(test)]
mod tests {
    use hello_pg::{SystemId, Timeline};

    use super::*;

    #[test]
    fn the_pool_is_never_exceeded() {
        for pool_size in 4..200 {
            for wanted in 1..70 {
                let lanes = Lanes::divide(pool_size, wanted);
                let connections = lanes.workers * (lanes.reads + 1 + lanes.writes) + 1;
                assert!(connections <= pool_size, "{pool_size} {wanted} {lanes:?}");
                assert!(lanes.workers >= 1 && lanes.reads >= 1 && lanes.writes >= 1, "{lanes:?}");
            }
        }
    }

    #[test]
    fn a_position_counts_within_its_database_until_its_timeline_is_left() {
        let epoch = topology::Epoch { system_id: Some(SystemId(7)), timeline: Some(Timeline(2)) };
        let topology = Topology { epoch, ..Topology::default() };
        let position = |system_id, timeline| {
            let (system_id, timeline) = (SystemId(system_id), Timeline(timeline));
            Some(Position { system_id, timeline, lsn: Lsn(5) })
        };
        assert_eq!(at_least(&topology, None), None);
        assert_eq!(at_least(&topology, position(8, 2)), None);
        assert_eq!(at_least(&topology, position(7, 1)), None);
        assert_eq!(at_least(&topology, position(7, 2)), Some(Lsn(5)));
        assert_eq!(at_least(&topology, position(7, 3)), Some(Lsn(5)));
    }

    #[test]
    fn two_workers_have_two_batches_of_each_kind_in_flight() {
        assert_eq!(Lanes::divide(12, 2), Lanes { workers: 2, reads: 2, writes: 2 });
    }
}
