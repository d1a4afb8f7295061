//! The writer thread: commits together what arrived together, and leaves no trace of a deleted user.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::connection::{DISK_FAILS, run_cached, store_error, wait_for_locks, wait_for_locks_as_usual};
use super::health::WriteHealth;
use super::queue::{AbandonOnDrop, Queue};
use crate::store::StoreError;
use crate::store::write::{Change, Write};
use crate::telemetry::StoreMetrics;

/// The most writes committed together; bounds the time of a transaction and the memory of a batch.
const MAX_BATCH: usize = 1024;

/// For how long a checkpoint waits for readers that are still in the log. Writes wait meanwhile.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(250);

/// How long after work on the log that failed, or that readers held up, it is tried again.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// While writes fail, how often one is tried that nobody asked for: service is known to be back soon after it is.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// SQLite checkpoints after every commit that finds more than 1,000 pages (4 MB) in the log, but begins the log anew
/// only at a moment without readers in it. Under steady load there may be none: then the log is emptied by waiting for one.
const LOG_LIMIT_BYTES: u64 = 16 << 20;

/// What the writer thread has.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    log_path: PathBuf,
    erasure: Erasure,
    /// No work on the log that may wait for readers is begun before.
    next_try: Instant,
    health: Arc<WriteHealth>,
    /// While writes fail, none is tried without a caller before.
    next_probe: Instant,
    metrics: StoreMetrics,
}

/// Where traces of deleted names may still be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Erasure {
    /// Nowhere.
    Done,
    /// In the file and in the log.
    FileDue,
    /// In the log alone, since the file has been written anew; `owed` is what was noted in it before.
    LogDue { owed: i32 },
}

impl Writer {
    /// A writer on this connection to the database file at `path`.
    pub(super) fn new(
        connection: Connection,
        path: &Path,
        health: Arc<WriteHealth>,
        metrics: StoreMetrics,
    ) -> Self {
        let mut log_path = path.as_os_str().to_owned();
        log_path.push("-wal");
        Self {
            connection,
            log_path: log_path.into(),
            erasure: Erasure::Done,
            next_try: Instant::now(),
            health,
            next_probe: Instant::now(),
            metrics,
        }
    }

    /// Commits writes until the queue is closed, then closes the connection.
    pub(super) fn run(mut self, queue: &Queue<Write>) {
        let _guard = AbandonOnDrop(queue);
        // A process that ended between a delete and its erasure has left that to the next one.
        if erasures_owed(&self.connection).is_ok_and(|owed| owed != 0) {
            self.erasure = Erasure::FileDue;
        }
        loop {
            let erasure = (self.erasure != Erasure::Done).then_some(self.next_try);
            let probe = self.health.failing().map(|_| self.next_probe);
            let deadline = erasure.into_iter().chain(probe).min();
            let Some(batch) = queue.take(MAX_BATCH, deadline) else { return };
            if batch.is_empty() {
                self.probe();
                self.look_after_the_log();
            } else {
                self.metrics.write_batch(batch.len());
                self.commit_and_answer(batch);
            }
        }
    }

    /// Where writes fail, tries one that changes nothing, so that nobody has to ask for one to learn that they work.
    fn probe(&mut self) {
        if self.health.failing().is_none() || Instant::now() < self.next_probe {
            return;
        }
        match rewrite_header(&self.connection) {
            Ok(()) => self.health.succeeded(),
            Err(error) => self.health.failed(reason_of(&store_error(&error))),
        }
        self.next_probe = Instant::now() + PROBE_EVERY;
    }

    /// Takes in what a batch says about writes: they work if anything was stored, and fail if nothing was that should
    /// have been.
    fn note_health(&mut self, batch: &[Write], results: &[Result<bool, StoreError>]) {
        let stored = batch.iter().zip(results).any(|(write, result)| match result {
            Ok(existed) => write.is_put() || *existed,
            Err(_) => false,
        });
        if stored {
            self.health.succeeded();
        } else if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            self.health.failed(reason_of(error));
            self.next_probe = Instant::now() + PROBE_EVERY;
        }
    }

    fn commit_and_answer(&mut self, batch: Vec<Write>) {
        let results = commit(&self.connection, &batch);
        self.note_health(&batch, &results);
        let mut deleted = Vec::new();
        for (write, result) in batch.into_iter().zip(results) {
            if matches!((&write.change, &result), (Change::Delete { .. }, Ok(true))) {
                deleted.push(write);
            } else {
                write.answer(result, None);
            }
        }
        if !deleted.is_empty() {
            self.erasure = Erasure::FileDue;
            self.next_try = Instant::now();
        }
        self.look_after_the_log();
        // The user is gone for good even where readers held up the erasure, which then is repeated until it is done.
        for write in deleted {
            write.answer(Ok(true), None);
        }
    }

    /// Erases traces, or empties a log that has grown long; after a failure or where readers hold it up, not again at
    /// once.
    fn look_after_the_log(&mut self) {
        if self.erasure == Erasure::Done && self.log_bytes() <= LOG_LIMIT_BYTES {
            return;
        }
        if Instant::now() < self.next_try {
            return;
        }
        if !matches!(self.erase_traces_and_empty_log(), Ok(true)) {
            self.next_try = Instant::now() + PAUSE_AFTER_FAILURE;
        }
    }

    /// Leaves no trace of deleted users in the file and the log; `false` where readers are still in the log.
    ///
    /// `secure_delete` overwrites a deleted row where it lies. But SQLite moves rows between pages as a table grows and
    /// does not clear every place they came from, so the file is also written anew (`vacuum`): some 250 ms for a
    /// million short names, in which writes wait and reads go on. The new content is built in memory.
    fn erase_traces_and_empty_log(&mut self) -> rusqlite::Result<bool> {
        if self.erasure == Erasure::FileDue {
            let owed = erasures_owed(&self.connection)?;
            self.connection.execute_batch("vacuum")?;
            self.erasure = Erasure::LogDue { owed };
        }
        if !empty_log(&mut self.connection)? {
            return Ok(false);
        }
        if let Erasure::LogDue { owed } = self.erasure {
            settle_erasures(&self.connection, owed)?;
            self.erasure = Erasure::Done;
        }
        Ok(true)
    }

    fn log_bytes(&self) -> u64 {
        std::fs::metadata(&self.log_path).map_or(0, |log| log.len())
    }
}

/// Commits a batch. For each write: whether the user existed before it.
fn commit(connection: &Connection, batch: &[Write]) -> Vec<Result<bool, StoreError>> {
    match commit_together(connection, batch) {
        Ok(results) => results,
        // The write that needs more room than there is takes the whole transaction with it; its neighbours may fit.
        Err(CommitError::RolledBack(error))
            if batch.len() > 1 && error.sqlite_error_code() == Some(ErrorCode::DiskFull) =>
        {
            batch.chunks(1).flat_map(|write| commit(connection, write)).collect()
        }
        Err(error) => batch.iter().map(|_| Err(error.as_store_error())).collect(),
    }
}

/// Why a whole batch was not committed.
#[derive(Debug)]
enum CommitError {
    /// Nothing of it was stored.
    RolledBack(rusqlite::Error),
    /// The disk failed while the commit was written: after a crash it may be found to be complete.
    Unconfirmed,
}

impl CommitError {
    fn as_store_error(&self) -> StoreError {
        match self {
            Self::RolledBack(error) => store_error(error),
            Self::Unconfirmed => StoreError::WriteUnconfirmed,
        }
    }
}

/// One transaction for the batch, in the order of arrival.
fn commit_together(
    connection: &Connection,
    batch: &[Write],
) -> Result<Vec<Result<bool, StoreError>>, CommitError> {
    // Immediate: the lock is waited for here, and no statement can find later that another process was faster.
    run_cached(connection, "begin immediate").map_err(CommitError::RolledBack)?;
    let mut results = Vec::with_capacity(batch.len());
    for write in batch {
        match apply(connection, write) {
            Ok(existed) => results.push(Ok(existed)),
            // SQLite has undone this statement alone: its neighbours go on.
            Err(error) if !connection.is_autocommit() => results.push(Err(store_error(&error))),
            Err(error) => return Err(CommitError::RolledBack(error)),
        }
    }
    let erased = results
        .iter()
        .zip(batch)
        .any(|(result, write)| matches!((result, &write.change), (Ok(true), Change::Delete { .. })));
    let owe = if erased { owe_erasure(connection) } else { Ok(()) };
    match owe.and_then(|()| run_cached(connection, "commit")) {
        Ok(()) => Ok(results),
        Err(error) => {
            roll_back(connection);
            if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
                Err(CommitError::Unconfirmed)
            } else {
                Err(CommitError::RolledBack(error))
            }
        }
    }
}

/// Runs one write; tells whether the user existed before.
fn apply(connection: &Connection, write: &Write) -> rusqlite::Result<bool> {
    let name = write.username.as_str();
    match &write.change {
        Change::Put { date_of_birth, .. } => {
            let days = date_of_birth.days_since_unix_epoch();
            let changed = connection
                .prepare_cached("update users set date_of_birth = ?2 where username = ?1")?
                .execute((name, days))?;
            if changed == 0 {
                connection
                    .prepare_cached("insert into users (username, date_of_birth) values (?1, ?2)")?
                    .execute((name, days))?;
            }
            Ok(changed != 0)
        }
        Change::Delete { .. } => {
            let gone = connection.prepare_cached("delete from users where username = ?1")?.execute([name])?;
            Ok(gone != 0)
        }
    }
}

/// What an operator is told of a write that failed.
fn reason_of(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(reason) => reason,
        StoreError::WriteUnconfirmed => DISK_FAILS,
        StoreError::Overloaded | StoreError::NotYetReplayed | StoreError::Failed(_) => {
            "the SQLite database file refuses writes"
        }
    }
}

/// A write of one page that changes nothing.
fn rewrite_header(connection: &Connection) -> rusqlite::Result<()> {
    run_cached(connection, "begin immediate")?;
    let written = erasures_owed(connection)
        .and_then(|owed| connection.pragma_update(None, "user_version", owed))
        .and_then(|()| run_cached(connection, "commit"));
    if written.is_err() {
        roll_back(connection);
    }
    written
}

/// The number of deletes since the traces were last erased. It is kept in the header of the file (`user_version`), so
/// that it is committed with the delete, and an erasure cut short by a crash is made up for.
fn erasures_owed(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Notes, within the transaction that deletes, that traces are to be erased.
fn owe_erasure(connection: &Connection) -> rusqlite::Result<()> {
    let owed = erasures_owed(connection)?.wrapping_add(1).max(1);
    connection.pragma_update(None, "user_version", owed)
}

/// Notes that traces have been erased, unless another process has deleted since: that one erases again.
fn settle_erasures(connection: &Connection, owed: i32) -> rusqlite::Result<()> {
    connection.execute_batch("begin immediate")?;
    let settled = erasures_owed(connection)
        .and_then(|now| if now == owed { connection.pragma_update(None, "user_version", 0) } else { Ok(()) })
        .and_then(|()| connection.execute_batch("commit"));
    if settled.is_err() {
        roll_back(connection);
    }
    settled
}

/// Moves the whole log into the file and truncates it; `false` where readers are still in it.
fn empty_log(connection: &mut Connection) -> rusqlite::Result<bool> {
    wait_for_locks(connection, CHECKPOINT_PATIENCE)?;
    let held_up = connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, bool>(0));
    wait_for_locks_as_usual(connection)?;
    Ok(!held_up?)
}

fn roll_back(connection: &Connection) {
    // SQLite has rolled back by itself after some errors; then there is nothing to do here.
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("rollback");
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::*;
    use crate::domain::{BirthDate, Username};
    use crate::store::sqlite::connection::READ_ONLY;
    use crate::store::sqlite::open;

    fn new_file() -> (TempDir, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let connection = open::open(&directory.path().join("users.db"), true).unwrap();
        (directory, connection)
    }

    fn writer(connection: Connection, directory: &TempDir) -> Writer {
        let path = directory.path().join("users.db");
        Writer::new(connection, &path, Arc::default(), StoreMetrics::detached())
    }

    fn name(text: &str) -> Username {
        Username::parse(text).unwrap()
    }

    /// A write whose caller does not listen; the tests look at the results.
    fn put(username: &str, days: i32) -> Write {
        let date_of_birth = BirthDate::from_days_since_unix_epoch(days).unwrap();
        Write { username: name(username), change: Change::Put { date_of_birth, reply: oneshot::channel().0 } }
    }

    fn delete(username: &str) -> Write {
        Write { username: name(username), change: Change::Delete { reply: oneshot::channel().0 } }
    }

    fn days_of(connection: &Connection, username: &str) -> Option<i32> {
        let select = "select max(date_of_birth) from users where username = ?1";
        connection.query_row(select, [username], |row| row.get(0)).unwrap()
    }

    #[test]
    fn writes_of_one_batch_take_effect_in_the_order_of_arrival() {
        let (_directory, connection) = new_file();
        let batch = [
            put("Ana", 1),
            put("Ana", 2),
            delete("Ana"),
            delete("Ana"),
            put("Ana", 3),
            put("Bea", 4),
            put("Ana", 5),
        ];
        let existed: Vec<bool> = commit(&connection, &batch).into_iter().map(Result::unwrap).collect();
        assert_eq!(existed, [false, true, true, false, false, false, true]);
        assert_eq!(days_of(&connection, "Ana"), Some(5));
        assert_eq!(days_of(&connection, "Bea"), Some(4));
    }

    #[test]
    fn a_failing_statement_does_not_fail_its_neighbours() {
        let (_directory, connection) = new_file();
        let refuse_cleo = "create temp trigger refuse before insert on users when new.username = 'Cleo'
            begin select raise(abort, 'refused'); end";
        connection.execute_batch(refuse_cleo).unwrap();
        let results = commit(&connection, &[put("Ana", 1), put("Cleo", 2), put("Bea", 3)]);
        assert!(
            matches!(results[..], [Ok(false), Err(StoreError::Failed(_)), Ok(false)]),
            "results: {results:?}"
        );
        assert_eq!(days_of(&connection, "Ana"), Some(1));
        assert_eq!(days_of(&connection, "Cleo"), None);
        assert_eq!(days_of(&connection, "Bea"), Some(3));
    }

    #[test]
    fn a_batch_that_cannot_be_committed_leaves_nothing_and_tells_every_caller() {
        let (_directory, connection) = new_file();
        let roll_back = "create temp trigger refuse before insert on users when new.username = 'Cleo'
            begin select raise(rollback, 'refused'); end";
        connection.execute_batch(roll_back).unwrap();
        let results = commit(&connection, &[put("Ana", 1), put("Cleo", 2), put("Bea", 3)]);
        assert!(results.iter().all(Result::is_err), "results: {results:?}");
        assert_eq!(days_of(&connection, "Ana"), None);
        assert!(connection.is_autocommit());
    }

    #[test]
    fn where_the_file_cannot_grow_writes_that_need_no_room_go_on() {
        let (_directory, connection) = new_file();
        assert!(matches!(commit(&connection, &[put("Ana", 1)])[..], [Ok(false)]));
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages).unwrap();

        let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let mut batch: Vec<Write> = letters
            .iter()
            .flat_map(|first| letters.iter().map(move |second| format!("{first}{second}").repeat(24)))
            .map(|username| put(&username, 7))
            .collect();
        batch.insert(50, put("Ana", 2));
        let results = commit(&connection, &batch);
        assert!(matches!(results[50], Ok(true)), "the change of a user fits: {:?}", results[50]);
        assert!(results.iter().any(|result| matches!(result, Err(StoreError::Unavailable(_)))));
        assert_eq!(days_of(&connection, "Ana"), Some(2));

        connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
        assert!(commit(&connection, &batch).iter().all(Result::is_ok), "with room again, all fit");
    }

    #[test]
    fn a_probe_writes_and_changes_nothing() {
        let (directory, connection) = new_file();
        commit(&connection, &[put("Ana", 1), delete("Ana")]);
        let mut writer = writer(connection, &directory);
        let before = writer.log_bytes();
        writer.health.failed("no room");
        writer.probe();
        assert!(writer.health.failing().is_none());
        assert!(writer.log_bytes() > before, "a page was written");
        assert_eq!(erasures_owed(&writer.connection), Ok(1));

        writer.connection.execute_batch("pragma query_only = on").unwrap();
        writer.health.failed("no room");
        writer.next_probe = Instant::now();
        writer.probe();
        assert_eq!(writer.health.failing().map(|(_, reason)| reason), Some(READ_ONLY));
    }

    #[test]
    fn a_batch_that_stores_nothing_says_so_unless_there_was_nothing_to_store() {
        let (directory, connection) = new_file();
        let mut writer = writer(connection, &directory);
        writer.connection.execute_batch("pragma query_only = on").unwrap();
        writer.commit_and_answer(vec![delete("Ana"), put("Ana", 1)]);
        assert!(writer.health.failing().is_some());
        writer.connection.execute_batch("pragma query_only = off").unwrap();
        writer.commit_and_answer(vec![delete("Ana")]);
        assert!(writer.health.failing().is_some(), "a delete of nobody writes nothing");
        writer.commit_and_answer(vec![put("Ana", 1)]);
        assert!(writer.health.failing().is_none());
    }

    #[test]
    fn a_delete_owes_an_erasure_until_it_is_done() {
        let (directory, connection) = new_file();
        commit(&connection, &[put("Ana", 1), delete("Bea")]);
        assert_eq!(erasures_owed(&connection), Ok(0), "nothing was deleted");
        commit(&connection, &[delete("Ana")]);
        assert_eq!(erasures_owed(&connection), Ok(1));

        let mut writer = writer(connection, &directory);
        writer.erasure = Erasure::FileDue;
        assert_eq!(writer.erase_traces_and_empty_log(), Ok(true));
        assert_eq!(writer.erasure, Erasure::Done);
        assert_eq!(erasures_owed(&writer.connection), Ok(0));
    }

    #[test]
    fn an_erasure_leaves_the_debt_of_a_later_delete() {
        let (_directory, connection) = new_file();
        commit(&connection, &[put("Ana", 1), put("Bea", 1)]);
        commit(&connection, &[delete("Ana")]);
        let owed = erasures_owed(&connection).unwrap();
        commit(&connection, &[delete("Bea")]);
        settle_erasures(&connection, owed).unwrap();
        assert_eq!(erasures_owed(&connection), Ok(2));
    }

    #[test]
    fn a_log_that_has_grown_long_is_emptied() {
        let (directory, connection) = new_file();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let mut writer = writer(connection, &directory);
        let mut round = 0;
        while writer.log_bytes() <= LOG_LIMIT_BYTES {
            writer.connection.pragma_update(None, "synchronous", "off").unwrap();
            writer
                .connection
                .execute(
                    "insert into users select printf('%050d', value + ?1 * 10000), 1
                     from (with recursive n(value) as (select 1 union all select value + 1 from n limit 9999)
                           select value from n)",
                    [round],
                )
                .unwrap();
            round += 1;
        }
        writer.look_after_the_log();
        assert_eq!(writer.log_bytes(), 0);
    }
}
