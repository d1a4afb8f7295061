//! A reader thread: answers the reads that wait, together, from one snapshot.

use rusqlite::{Connection, OptionalExtension, Row};
use tokio::sync::oneshot;

use super::connection::{run_cached, store_error};
use super::queue::{AbandonOnDrop, Queue};
use crate::domain::{BirthDate, Username};
use crate::store::{StoreError, User};
use crate::telemetry::StoreMetrics;

/// The most reads answered from one snapshot: a snapshot held for long would hold up checkpoints.
const MAX_BATCH: usize = 256;

/// A read and where its answer goes.
#[derive(Debug)]
pub(super) enum Read {
    /// One user's date of birth.
    Find { username: Username, reply: oneshot::Sender<Result<Option<BirthDate>, StoreError>> },
    /// Users after a name.
    Page { after: Option<Username>, limit: usize, reply: oneshot::Sender<Result<Vec<User>, StoreError>> },
}

/// Answers reads until the queue is closed.
pub(super) fn run(connection: &Connection, queue: &Queue<Read>, metrics: &StoreMetrics) {
    let _guard = AbandonOnDrop(queue);
    while let Some(batch) = queue.take(MAX_BATCH, None) {
        metrics.read_batch(batch.len());
        answer_together(connection, batch);
    }
}

/// One transaction for the batch: SQLite then takes the shared lock and looks for the end of the log only once.
///
/// The transaction begins after the requests arrived, so each sees every write acknowledged before it was made.
fn answer_together(connection: &Connection, batch: Vec<Read>) {
    // A lone read needs no transaction around it. Where none can be begun, each read meets the cause by itself.
    let together = batch.len() > 1 && run_cached(connection, "begin").is_ok();
    for read in batch {
        answer(connection, read);
    }
    if together && run_cached(connection, "commit").is_err() {
        // Nothing was changed; what matters is that the snapshot is let go.
        let _ = connection.execute_batch("rollback");
    }
}

/// Answers one read. A caller that has gone away no longer listens, which is no error.
fn answer(connection: &Connection, read: Read) {
    match read {
        Read::Find { username, reply } => {
            if !reply.is_closed() {
                let _ = reply.send(find(connection, &username));
            }
        }
        Read::Page { after, limit, reply } => {
            if !reply.is_closed() {
                let _ = reply.send(page(connection, after.as_ref(), limit));
            }
        }
    }
}

fn find(connection: &Connection, username: &Username) -> Result<Option<BirthDate>, StoreError> {
    let days: Option<i32> = connection
        .prepare_cached("select date_of_birth from users where username = ?1")
        .and_then(|mut select| select.query_row([username.as_str()], |row| row.get(0)).optional())
        .map_err(|error| store_error(&error))?;
    days.map(birth_date).transpose()
}

fn page(connection: &Connection, after: Option<&Username>, limit: usize) -> Result<Vec<User>, StoreError> {
    // Every name comes after the empty text.
    let after = after.map_or("", Username::as_str);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = connection
        .prepare_cached(
            "select username, date_of_birth from users where username > ?1 order by username limit ?2",
        )
        .map_err(|error| store_error(&error))?;
    let mut rows = select.query((after, limit)).map_err(|error| store_error(&error))?;
    let mut users = Vec::new();
    while let Some(row) = rows.next().map_err(|error| store_error(&error))? {
        users.push(user(row)?);
    }
    Ok(users)
}

fn user(row: &Row<'_>) -> Result<User, StoreError> {
    let name = row.get_ref(0).map_err(|error| store_error(&error))?;
    let username = name
        .as_str()
        .ok()
        .and_then(|name| Username::parse(name).ok())
        .ok_or_else(|| StoreError::Failed("a stored name is no username".to_owned()))?;
    let days = row.get(1).map_err(|error| store_error(&error))?;
    Ok(User { username, date_of_birth: birth_date(days)? })
}

fn birth_date(days: i32) -> Result<BirthDate, StoreError> {
    BirthDate::from_days_since_unix_epoch(days)
        .ok_or_else(|| StoreError::Failed("a stored date of birth is outside the calendar".to_owned()))
}
