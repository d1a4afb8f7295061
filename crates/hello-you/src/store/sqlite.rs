//! The store in an embedded SQLite file.
//!
//! One thread writes and commits together what arrived together; a few threads read, each on its own connection, and
//! answer together what waits (`queue` between them and the callers). No call blocks the caller's thread: SQLite waits
//! for the disk on its own threads. Several processes may share the file.
//!
//! - `open`: making, checking and opening the file, and what a user is told when that fails
//! - `schema`: whose file it is, and its migrations
//! - `connection`: how a connection is set up, and the meaning of its errors
//! - `reader`, `writer`: the threads
//! - `health`: whether writes work, as the writer found

mod connection;
mod health;
mod open;
mod queue;
mod reader;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use self::health::WriteHealth;
pub use self::open::{OpenError, OpenProblem};
use self::queue::{Queue, Refused};
use self::reader::Read;
use self::writer::Writer;
use super::write::{Change, Reply, Write};
use super::{Condition, Deleted, Position, Put, ReadSource, Store, StoreError, User, WriteTarget, Written};
use crate::domain::{BirthDate, Username};
use crate::telemetry::{Operation, StoreMetrics};

/// Reads come from memory and take microseconds: more threads would only wake each other.
const READERS: usize = 2;

/// The most reads that wait; a further one is refused. At the speed of a small machine they take some 10 ms.
const READ_QUEUE: usize = 4096;

/// The most writes that wait; a further one is refused. They are four full batches.
const WRITE_QUEUE: usize = 4096;

/// Users in a SQLite file. Cheap to clone; the last clone dropped closes the file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    threads: Arc<Threads>,
}

/// The worker threads and the ways to them.
#[derive(Debug)]
struct Threads {
    reads: Arc<Queue<Read>>,
    writes: Arc<Queue<Write>>,
    write_health: Arc<WriteHealth>,
    metrics: StoreMetrics,
    readers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the file, and with `migrate` makes it where it is missing and brings it to the current schema.
    ///
    /// Blocks for as long as the disk takes, so it belongs before serving.
    pub fn open(path: &Path, migrate: bool) -> Result<Self, OpenError> {
        Self::open_measured(path, migrate, StoreMetrics::detached())
    }

    /// The same, with metrics that somebody reads.
    pub fn open_measured(path: &Path, migrate: bool, metrics: StoreMetrics) -> Result<Self, OpenError> {
        // SQLite gives some relative names a meaning of their own (`:memory:`, `file:...`); an absolute one is a path.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self::open_absolute(&absolute, migrate, metrics)
            .map_err(|problem| OpenError { path: absolute, problem })
    }

    fn open_absolute(path: &Path, migrate: bool, metrics: StoreMetrics) -> Result<Self, OpenProblem> {
        let connection = open::open(path, migrate)?;
        let mut threads = Threads {
            reads: Arc::new(Queue::new(READ_QUEUE)),
            writes: Arc::new(Queue::new(WRITE_QUEUE)),
            write_health: Arc::default(),
            metrics,
            readers: Vec::with_capacity(READERS),
            writer: None,
        };
        for _ in 0..READERS {
            let connection = connection::open_read_only(path)?;
            let (queue, metrics) = (Arc::clone(&threads.reads), threads.metrics.clone());
            let read = move || reader::run(&connection, &queue, &metrics);
            threads.readers.push(spawn("sqlite-reader", read)?);
        }
        let health = Arc::clone(&threads.write_health);
        let writer = Writer::new(connection, path, health, threads.metrics.clone());
        let queue = Arc::clone(&threads.writes);
        threads.writer = Some(spawn("sqlite-writer", move || writer.run(&queue))?);
        Ok(Self { threads: Arc::new(threads) })
    }

    async fn read<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Read,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.threads.reads.push(request(reply)).map_err(|refused| self.refusal(refused, Operation::Read))?;
        answer.await.unwrap_or(Err(StoreError::Unavailable(READER_ENDED)))
    }

    async fn write<T>(
        &self,
        username: &Username,
        change: impl FnOnce(Reply<T>) -> Change,
    ) -> Result<Written<T>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let write = Write { username: username.clone(), change: change(reply) };
        self.threads.writes.push(write).map_err(|refused| self.refusal(refused, Operation::Write))?;
        // Without an answer the writer has ended in the middle of the batch, perhaps after its commit.
        answer.await.unwrap_or(Err(StoreError::WriteUnconfirmed))
    }

    fn refusal(&self, refused: Refused, operation: Operation) -> StoreError {
        match refused {
            Refused::Full => {
                self.threads.metrics.rejected(operation);
                StoreError::Overloaded
            }
            Refused::Closed => StoreError::Unavailable(WORKERS_ENDED),
        }
    }
}

const READER_ENDED: &str = "the SQLite reader has ended";
const WORKERS_ENDED: &str = "the SQLite store has ended";

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenProblem> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| OpenProblem::Failed(format!("cannot start a thread: {error}")))
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A panic of a worker has been reported where it happened; here it only must not keep the others open. The
        // writer ends last: SQLite empties the log when the last connection closes, which only a writing one can do.
        self.reads.close();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.writes.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Store for SqliteStore {
    async fn find(
        &self,
        username: &Username,
        _after: Option<Position>,
    ) -> Result<Option<BirthDate>, StoreError> {
        self.read(|reply| Read::Find { username: username.clone(), reply }).await
    }

    async fn put(&self, username: &Username, date_of_birth: BirthDate) -> Result<Written<Put>, StoreError> {
        self.write(username, |reply| Change::Put { date_of_birth, reply }).await
    }

    async fn delete(&self, username: &Username) -> Result<Written<Deleted>, StoreError> {
        self.write(username, |reply| Change::Delete { reply }).await
    }

    async fn page(&self, after: Option<&Username>, limit: usize) -> Result<Vec<User>, StoreError> {
        self.read(|reply| Read::Page { after: after.cloned(), limit, reply }).await
    }

    fn condition(&self) -> Condition {
        self.threads.metrics.queued(self.threads.reads.len(), self.threads.writes.len());
        let failing = self.threads.write_health.failing();
        Condition {
            reads: Some(ReadSource::Embedded),
            writes: failing.is_none().then_some(WriteTarget::Embedded),
            writes_failing_for: failing.map(|(duration, _)| duration),
            timeline: None,
            fenced: false,
            reasons: failing.map(|(_, reason)| reason).into_iter().collect(),
        }
    }
}
