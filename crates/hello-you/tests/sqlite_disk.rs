//! The SQLite store on a disk that is full or read-only: a small file system of its own (tmpfs), mounted in a mount
//! namespace that ends with the test.
//!
//! The test program starts itself again within that namespace. Where the machine allows no namespace, the tests say so
//! and prove nothing.

#![expect(clippy::unwrap_used, reason = "shared by tests")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hello_testkit::{Poll, skip, wait_until};
use hello_you::domain::{BirthDate, Username};
use hello_you::store::sqlite::{OpenProblem, SqliteStore};
use hello_you::store::{Store as _, StoreError};

const DIRECTORY: &str = "HELLO_TEST_SMALL_DISK";
const LIMIT: Duration = Duration::from_secs(60);

/// The directory with the small disk, in the child.
fn small_disk() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

fn numbered(number: u32) -> Username {
    let letters: String = number.to_string().bytes().map(|digit| char::from(b'a' + (digit - b'0'))).collect();
    Username::parse(&format!("{letters}{}", "x".repeat(50 - letters.len()))).unwrap()
}

fn date() -> BirthDate {
    BirthDate::parse("1990-06-15").unwrap()
}

/// A mount namespace; as another user than root within a user namespace, where mounting is allowed too.
fn in_namespace(script: &str, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]).args(arguments);
    command
}

/// Runs one of the children below with a disk of that many KiB.
fn run_on_small_disk(child: &str, kib: u32) {
    let possible = in_namespace("mount -t tmpfs tmpfs /mnt", &[]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        skip("this machine does not allow a mount namespace");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let script =
        format!("mount -t tmpfs -o size={kib}k tmpfs \"$1\" && exec \"$2\" --exact {child} --nocapture");
    let program = std::env::current_exe().unwrap();
    let output = in_namespace(&script, &[directory.path().as_os_str(), program.as_os_str()])
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn on_a_full_disk_writes_fail_reads_go_on_and_room_heals() {
    run_on_small_disk("child_fills_the_disk", 1024);
}

#[tokio::test]
async fn child_fills_the_disk() {
    let Some(directory) = small_disk() else { return };
    let path = directory.join("users.db");
    let ballast = directory.join("ballast");
    let store = SqliteStore::open(&path, true).unwrap();
    std::fs::write(&ballast, vec![1; 400 << 10]).unwrap();

    let mut stored = 0;
    let error = loop {
        match store.put(&numbered(stored), date()).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the disk never became full");
    };
    assert!(
        matches!(error, StoreError::Unavailable(reason) if reason.contains("full")),
        "after {stored} users: {error:?}"
    );
    for number in 0..stored {
        assert_eq!(store.find(&numbered(number), None).await.unwrap(), Some(date()), "user {number}");
    }
    assert_eq!(store.page(None, 10).await.unwrap().len(), 10);
    assert_eq!(store.find(&numbered(stored), None).await.unwrap(), None, "what failed is not there");

    std::fs::remove_file(&ballast).unwrap();
    wait_until("writes work again", LIMIT, async || match store.put(&numbered(stored), date()).await {
        Ok(_) => Poll::Ready(()),
        Err(error) => Poll::not_yet(error),
    })
    .await;
    drop(store);
    let store = SqliteStore::open(&path, true).unwrap();
    for number in 0..=stored {
        assert_eq!(store.find(&numbered(number), None).await.unwrap(), Some(date()), "user {number}");
    }
}

#[test]
fn on_a_disk_without_room_the_start_says_so() {
    run_on_small_disk("child_starts_on_a_full_disk", 16);
}

#[test]
fn child_starts_on_a_full_disk() {
    let Some(directory) = small_disk() else { return };
    let error = SqliteStore::open(&directory.join("users.db"), true).unwrap_err();
    assert!(matches!(error.problem, OpenProblem::DiskFull), "{error}");
}

#[test]
fn on_a_read_only_disk_the_start_says_so() {
    run_on_small_disk("child_starts_on_a_read_only_disk", 1024);
}

#[test]
fn child_starts_on_a_read_only_disk() {
    let Some(directory) = small_disk() else { return };
    let path = directory.join("users.db");
    drop(SqliteStore::open(&path, true).unwrap());
    remount_read_only(&directory);
    for path in [path, directory.join("new.db")] {
        let error = SqliteStore::open(&path, true).unwrap_err();
        assert!(matches!(error.problem, OpenProblem::NotWritable(_)), "{error}");
    }
}

fn remount_read_only(directory: &Path) {
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(directory).status().unwrap();
    assert!(status.success());
}
