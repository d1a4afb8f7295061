//! The SQLite store and its file: what it makes, refuses, shares, erases and leaves behind.

#![expect(
    clippy::unwrap_used,
    reason = "an error is the test's failure, also in the functions that tests share"
)]

#[path = "sqlite_file/damage.rs"]
mod damage;
#[path = "sqlite_file/erasure.rs"]
mod erasure;
#[path = "sqlite_file/life.rs"]
mod life;
#[path = "sqlite_file/sharing.rs"]
mod sharing;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hello_you::domain::{BirthDate, Username};
use hello_you::store::Store as _;
use hello_you::store::sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// How long a test waits for what happens in the background.
const LIMIT: Duration = Duration::from_secs(120);

/// A directory of its own and the path of a database in it.
fn new_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    (directory, path)
}

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn dated(days: i32) -> BirthDate {
    BirthDate::from_days_since_unix_epoch(days).unwrap()
}

/// A different name of 12 to 50 letters for each number, in no order and without a common beginning.
fn scattered(number: u32) -> Username {
    let mut bits = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let length = 12 + (bits % 39) as usize;
    let text: String = (0..length)
        .map(|_| {
            bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x1234_5677);
            char::from(b'a' + u8::try_from((bits >> 40) % 26).unwrap())
        })
        .collect();
    name(&text)
}

/// Stores that many users with scattered names, as many at once as may wait.
async fn fill(store: &SqliteStore, users: u32) {
    for first in (0..users).step_by(2_000) {
        let mut writes = JoinSet::new();
        for number in first..users.min(first + 2_000) {
            let store = store.clone();
            writes.spawn(async move { store.put(&scattered(number), dated(1)).await.unwrap() });
        }
        writes.join_all().await;
    }
}

/// Every file of the directory with its bytes.
fn contents(directory: &Path) -> BTreeMap<OsString, Vec<u8>> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// A file beside the database, such as its log.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = OsString::from(path);
    beside.push(suffix);
    beside.into()
}
