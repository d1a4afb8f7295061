//! Opening the file: made where there is none, looked over without changing it, brought to the current schema.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::connection::{LOCK_PATIENCE, LOCK_POLL, is_disk_full, open_read_write};
use super::schema::{self, Owner};
use crate::store::migrations::MigrationError;

/// Up to this size the whole file is checked at the start. The check reads every page, and a start must stay quick
/// whatever the size; damage in a larger file is found when the page is read, and is an error then.
const FULL_CHECK_LIMIT_BYTES: u64 = 2 << 20;

/// The smallest page size SQLite knows.
const SMALLEST_PAGE_BYTES: u64 = 512;

/// How often the look-over is repeated while another process changes the file under it.
const MAX_LOOKS: usize = 3;

/// Why the SQLite file cannot be used; one sentence with the way out.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the SQLite database {}: {problem}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: OpenProblem,
}

/// What is wrong with a SQLite file.
#[derive(Debug, thiserror::Error)]
pub enum OpenProblem {
    /// The directory it would be in does not exist.
    #[error("its directory does not exist; create the directory or choose another path")]
    DirectoryMissing,
    /// A directory or a device stands there.
    #[error("this is not a regular file; choose another path")]
    NotAFile,
    /// There is no file, and none may be made.
    #[error("the file does not exist; run `hello-you migrate` to create it")]
    Missing,
    /// The file, or the directory it is in, cannot be written to.
    #[error(
        "the file and its directory must be readable and writable ({0}); change their permissions or choose another path"
    )]
    NotWritable(String),
    /// No room.
    #[error("the disk is full; make room or choose a path on another disk")]
    DiskFull,
    /// The content is not, or no longer, that of a SQLite database.
    #[error(
        "the file is damaged ({0}) and was left as it is; restore it from a backup, or move it away to begin with an empty database"
    )]
    Damaged(String),
    /// A sound SQLite database with another content.
    #[error("the file belongs to another program and was left as it is; choose another path")]
    Foreign,
    /// The schema is older than this program's, and must not be changed now.
    #[error("its schema is older than this program; run `hello-you migrate`")]
    SchemaBehind,
    /// The schema has a history that this program does not know.
    #[error("{0}; it was made by a program that is not a version of this one, choose another path")]
    UnknownHistory(#[from] MigrationError),
    /// Another process holds the file for too long.
    #[error("another process keeps the file locked; end it or wait for it")]
    Locked,
    /// The file system cannot do what WAL mode needs.
    #[error("this file system cannot hold a SQLite database in WAL mode; choose a path on a local disk")]
    NoWriteAheadLog,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<rusqlite::Error> for OpenProblem {
    fn from(error: rusqlite::Error) -> Self {
        if is_disk_full(&error) {
            return Self::DiskFull;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Damaged("it is not a SQLite database".to_owned()),
            Some(ErrorCode::DatabaseCorrupt) => {
                Self::Damaged("SQLite finds its structure malformed".to_owned())
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                Self::NotWritable("SQLite cannot open it for writing".to_owned())
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<io::Error> for OpenProblem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::DirectoryMissing,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable(error.kind().to_string())
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Opens the file for writing, in WAL mode and with the current schema.
pub(super) fn open(path: &Path, migrate: bool) -> Result<Connection, OpenProblem> {
    let began = Instant::now();
    loop {
        match try_open(path, migrate) {
            // SQLite does not wait where waiting could be a deadlock, as when two processes that start together both
            // switch a new file to WAL. Beginning again is safe, and then the other one has done it.
            Err(OpenProblem::Locked) if began.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_POLL),
            result => return result,
        }
    }
}

fn try_open(path: &Path, migrate: bool) -> Result<Connection, OpenProblem> {
    let file = find_or_create(path, migrate)?;
    let looked_over = file.len() > 0 && look_over(path)?;

    let mut connection = open_read_write(path)?;
    // Until the file is known to be sound and ours, closing it must not write to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if connection.is_readonly("main")? {
        return Err(OpenProblem::NotWritable("the file is read-only".to_owned()));
    }
    if !looked_over {
        judge(&connection, file.len())?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    if !migrate {
        schema::check(&connection)?;
    }
    switch_to_write_ahead_log(&connection)?;
    if migrate {
        schema::migrate(&mut connection)?;
    }
    Ok(connection)
}

/// What stands at the path; a new empty file where there was nothing and `create`.
fn find_or_create(path: &Path, create: bool) -> Result<Metadata, OpenProblem> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(found),
        Ok(_) => return Err(OpenProblem::NotAFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    if !create {
        return Err(OpenProblem::Missing);
    }
    // Names and dates of birth are nobody else's business; SQLite gives its own files the same permissions.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        // Another instance that starts at the same time was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    // The entry in the directory must survive a power failure as well as what the file will hold.
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(std::fs::metadata(path)?)
}

/// Looks at the file in a way that changes nothing and makes no file beside it; `false` where that cannot be done.
///
/// SQLite's `immutable` reads the main file alone, without locks. That is the whole truth only while there is no log or
/// journal beside it; where there is one, another process is at work or has crashed, and the file is judged after
/// SQLite's own recovery.
fn look_over(path: &Path) -> Result<bool, OpenProblem> {
    for _ in 0..MAX_LOOKS {
        if has_file_beside(path) {
            return must_be_a_database(path).map(|()| false);
        }
        let before = fingerprint(path)?;
        let verdict = open_immutable(path)
            .map_err(OpenProblem::from)
            .and_then(|connection| judge(&connection, before.0));
        // Another process may have begun to write meanwhile: then what was seen may be half a change.
        if !has_file_beside(path) && fingerprint(path)? == before {
            return verdict.map(|()| true);
        }
    }
    Ok(false)
}

/// Refuses a file that does not even begin like a database: with a log beside it, SQLite would take the first page from
/// there and overwrite whatever the file is. All else that the main file alone shows may be made good by the log.
fn must_be_a_database(path: &Path) -> Result<(), OpenProblem> {
    match open_immutable(path).and_then(|connection| schema::owner(&connection)) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => Err(error.into()),
        _ => Ok(()),
    }
}

fn has_file_beside(path: &Path) -> bool {
    ["-wal", "-shm", "-journal"].iter().any(|suffix| {
        let mut beside = OsString::from(path);
        beside.push(suffix);
        Path::new(&beside).exists()
    })
}

fn fingerprint(path: &Path) -> io::Result<(u64, std::time::SystemTime)> {
    let found = std::fs::metadata(path)?;
    Ok((found.len(), found.modified()?))
}

fn open_immutable(path: &Path) -> rusqlite::Result<Connection> {
    const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');
    let uri = format!("file:{}?immutable=1", percent_encode(path.as_os_str().as_bytes(), PATH));
    let mode =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, mode)
}

/// Whether the database is sound and ours, or still empty.
fn judge(connection: &Connection, size: u64) -> Result<(), OpenProblem> {
    // SQLite takes what is shorter than its smallest page for an empty database.
    if (1..SMALLEST_PAGE_BYTES).contains(&size) {
        return Err(OpenProblem::Damaged("it is too short".to_owned()));
    }
    if schema::owner(connection)? == Owner::AnotherProgram {
        return Err(OpenProblem::Foreign);
    }
    if size <= FULL_CHECK_LIMIT_BYTES {
        let finding: String = connection.query_row("pragma quick_check(1)", [], |row| row.get(0))?;
        if finding != "ok" {
            return Err(OpenProblem::Damaged("SQLite finds its structure malformed".to_owned()));
        }
    }
    Ok(())
}

fn switch_to_write_ahead_log(connection: &Connection) -> Result<(), OpenProblem> {
    let mode: String = connection.query_row("pragma journal_mode = wal", [], |row| row.get(0))?;
    if mode == "wal" { Ok(()) } else { Err(OpenProblem::NoWriteAheadLog) }
}
