//! How every connection is set up, and what SQLite's errors mean to a caller.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::StoreError;

/// For how long a connection waits for another process that has locked the file.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How often a waiting connection looks again. SQLite's own timeout soon looks only ten times a second, and then hardly
/// ever meets the short gap between two commits of a busy neighbour.
pub(super) const LOCK_POLL: Duration = Duration::from_millis(1);

/// What a caller is told of a disk that fails.
pub(super) const DISK_FAILS: &str = "the disk that holds the SQLite database file fails";
/// And of a file, or a disk, that can only be read.
pub(super) const READ_ONLY: &str = "the SQLite database file is read-only";

/// Opens an existing file to read and write.
pub(super) fn open_read_write(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens an existing file to read only.
pub(super) fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    // A connection stays with its thread, so SQLite's own mutex around it is not needed.
    let mut connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    wait_for_locks(&mut connection, LOCK_PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.execute_batch(
        "-- Each commit reaches the disk before it is acknowledged.
         pragma synchronous = full;
         -- What is deleted is overwritten with zeros.
         pragma secure_delete = on;
         -- No temporary file, which could keep a trace of a name.
         pragma temp_store = memory;
         -- A damaged page is an error and not a wrong answer.
         pragma cell_size_check = on;
         -- In KiB.
         pragma cache_size = -2000;",
    )?;
    Ok(connection)
}

/// Lets the connection wait up to `patience` for a lock.
pub(super) fn wait_for_locks(connection: &mut Connection, patience: Duration) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |times_before: i32| {
        if times_before == 0 {
            since = Instant::now();
        }
        std::thread::sleep(LOCK_POLL);
        since.elapsed() < patience
    }))
}

/// Back to the usual patience after [`wait_for_locks`] with another one.
pub(super) fn wait_for_locks_as_usual(connection: &mut Connection) -> rusqlite::Result<()> {
    wait_for_locks(connection, LOCK_PATIENCE)
}

/// Runs a statement that has no parameters and is run often.
pub(super) fn run_cached(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

/// Whether there was no room. The shared index of the log is grown by writing to it, and then SQLite says so with a code
/// of its own.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.code == ErrorCode::DiskFull || error.extended_code == SQLITE_IOERR_SHMSIZE)
}

/// What a caller learns of an error of SQLite. Its texts name tables and columns, never values.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    if is_disk_full(error) {
        return StoreError::Unavailable("the disk that holds the SQLite database file is full");
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Unavailable("another process keeps the SQLite database file locked")
        }
        Some(ErrorCode::ReadOnly) => StoreError::Unavailable(READ_ONLY),
        Some(ErrorCode::SystemIoFailure) => StoreError::Unavailable(DISK_FAILS),
        _ => StoreError::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_connections() -> (tempfile::TempDir, Connection, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users.db");
        std::fs::write(&path, []).unwrap();
        let one = open_read_write(&path).unwrap();
        one.execute_batch("pragma journal_mode = wal; create table t (a)").unwrap();
        let other = open_read_write(&path).unwrap();
        (directory, one, other)
    }

    #[test]
    fn a_connection_waits_for_a_lock_and_no_longer_than_it_may() {
        let (_directory, holder, mut waiter) = two_connections();
        holder.execute_batch("begin immediate").unwrap();
        let patience = Duration::from_millis(30);
        wait_for_locks(&mut waiter, patience).unwrap();
        let begun = Instant::now();
        let error = waiter.execute_batch("begin immediate").unwrap_err();
        assert!(begun.elapsed() >= patience);
        assert!(matches!(store_error(&error), StoreError::Unavailable(_)));
    }

    #[test]
    fn a_lock_that_is_let_go_is_taken() {
        let (_directory, holder, waiter) = two_connections();
        holder.execute_batch("begin immediate").unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || waiter.execute_batch("begin immediate"));
            holder.execute_batch("commit").unwrap();
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn commits_are_synced_and_deletes_overwrite() {
        let (_directory, connection, _) = two_connections();
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).unwrap();
        assert_eq!(pragma("synchronous"), 2, "full");
        assert_eq!(pragma("secure_delete"), 1);
        assert_eq!(pragma("temp_store"), 2, "memory");
        assert_eq!(pragma("cell_size_check"), 1);
    }
}
