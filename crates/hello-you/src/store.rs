//! Where users are kept: one trait, two stores ([`sqlite`] and [`postgres`]) that pass the same contract tests
//! (`tests/store_contract.rs`).

use std::time::Duration;

use hello_pg::{Lsn, SystemId, Timeline};

use crate::domain::{BirthDate, Username};

mod any;
pub mod migrations;
pub mod postgres;
pub mod sqlite;
mod write;

pub use any::AnyStore;

/// A user as the administrators' list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub username: Username,
    /// The date of birth.
    pub date_of_birth: BirthDate,
}

/// A place in PostgreSQL's history: what a client must be able to see of its own writes.
///
/// SQLite has one file and no history to wait for: it gives no position and ignores one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The database cluster; positions of different ones cannot be compared.
    pub system_id: SystemId,
    /// The timeline that was written on.
    pub timeline: Timeline,
    /// How far its write-ahead log had come after the commit.
    pub lsn: Lsn,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<T> {
    /// What it did.
    pub outcome: T,
    /// From where on the write can be seen; absent where every read sees it.
    pub position: Option<Position>,
}

/// Whether a `put` made a user or changed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The user is new.
    Created,
    /// The user was there.
    Changed,
}

/// Whether a `delete` found a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The user is gone now.
    Gone,
    /// There was none.
    NotFound,
}

/// Why the store did not answer. What a client is told of it is decided in [`crate::http`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Nothing that can serve this can be reached now, or only what is fenced.
    #[error("the database is unavailable: {0}")]
    Unavailable(&'static str),
    /// Too many requests wait already; this one was not begun.
    #[error("too many requests are waiting for the database")]
    Overloaded,
    /// A write was sent and its end is not known: it may or may not have been stored.
    #[error("the database did not confirm the write in time")]
    WriteUnconfirmed,
    /// No usable host has replayed the position that was asked for.
    #[error("no usable database host has replayed the requested position yet")]
    NotYetReplayed,
    /// The database answered with an error that no repetition heals.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// Keeps users. Every method is cancellation safe: dropping its future affects no other caller.
///
/// A write is durable before its future ends: the answer follows the commit.
pub trait Store: Send + Sync {
    /// The date of birth of a user, as seen from `after` on where that is given.
    fn find(
        &self,
        username: &Username,
        after: Option<Position>,
    ) -> impl Future<Output = Result<Option<BirthDate>, StoreError>> + Send;

    /// Stores a user's date of birth. Of several writes of one user, the one that came last wins.
    fn put(
        &self,
        username: &Username,
        date_of_birth: BirthDate,
    ) -> impl Future<Output = Result<Written<Put>, StoreError>> + Send;

    /// Removes a user.
    fn delete(
        &self,
        username: &Username,
    ) -> impl Future<Output = Result<Written<Deleted>, StoreError>> + Send;

    /// Up to `limit` users after that name, in the order of the names' bytes.
    fn page(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<User>, StoreError>> + Send;

    /// What the store knows about itself right now, without asking the database.
    fn condition(&self) -> Condition;
}

/// What can be served now, as last observed in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Where reads go, if anywhere.
    pub reads: Option<ReadSource>,
    /// Where writes go, if anywhere.
    pub writes: Option<WriteTarget>,
    /// For how long writes have failed; `None` while they work.
    pub writes_failing_for: Option<Duration>,
    /// The highest timeline seen of the database in use.
    pub timeline: Option<Timeline>,
    /// Whether every host of this region that answers lies on a timeline that has been left.
    pub fenced: bool,
    /// Sentences, without hosts or addresses, on what is not as it should be.
    pub reasons: Vec<&'static str>,
}

/// Where reads go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadSource {
    /// The embedded SQLite file.
    Embedded,
    /// One or more replicas of this region.
    Replica,
    /// The primary, in this region.
    Primary,
    /// Hosts of another region, since none of this region can serve.
    Far,
}

/// Where writes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteTarget {
    /// The embedded SQLite file.
    Embedded,
    /// The primary, in this region.
    Primary,
    /// The primary, in another region.
    Far,
}
