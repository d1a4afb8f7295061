//! Several stores on one file, in one process and in two.

use std::path::Path;

use hello_testkit::ChildProcess;
use hello_you::store::sqlite::SqliteStore;
use hello_you::store::{Put, Store as _, StoreError};

use crate::{LIMIT, dated, new_path, scattered};

const DATABASE: &str = "HELLO_TEST_SHARED_DATABASE";
const SHARED_USERS: u32 = 2_000;

/// How many of the shared users this process was the first to store.
async fn create_all(store: &SqliteStore) -> Result<usize, StoreError> {
    let mut created = 0;
    for first in (0..SHARED_USERS).step_by(20) {
        let writes: Vec<_> = (first..first + 20)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { store.put(&scattered(number), dated(1)).await })
            })
            .collect();
        for write in writes {
            created += usize::from(write.await.unwrap()?.outcome == Put::Created);
        }
    }
    Ok(created)
}

/// The other process: this test program, started again. Does nothing in an ordinary run of the tests.
#[tokio::test]
async fn child_stores_every_shared_user() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let store = SqliteStore::open(Path::new(&path), true).unwrap();
    println!("created {}", create_all(&store).await.unwrap());
}

#[tokio::test]
async fn two_processes_write_to_one_file_and_each_user_is_created_once() {
    let (_directory, path) = new_path();
    // The child may be the one that makes the file and its schema.
    let child = ChildProcess::builder(std::env::current_exe().unwrap())
        .args(["--exact", "sharing::child_stores_every_shared_user", "--nocapture"])
        .env(DATABASE, &path)
        .start();
    let store = SqliteStore::open(&path, true).unwrap();
    let created_here = create_all(&store).await.unwrap();
    // The harness's own words may stand before it on the line.
    let line = child.wait_for_line(LIMIT, |line| line.contains("created ")).await;
    let created_there: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(child.wait_exit(LIMIT).await.success());
    assert_eq!(created_here + created_there, SHARED_USERS as usize, "{created_here} here");
    let users = store.page(None, 5_000).await.unwrap();
    assert_eq!(users.len(), SHARED_USERS as usize);
}

#[test]
fn ten_stores_that_start_at_once_on_a_new_file_all_work() {
    for _ in 0..5 {
        let (_directory, path) = new_path();
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..10).map(|_| scope.spawn(|| SqliteStore::open(&path, true))).collect();
            let stores: Vec<_> = starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect();
            assert_eq!(stores.len(), 10);
        });
    }
}

#[tokio::test]
async fn a_write_of_one_store_is_seen_by_the_other() {
    let (_directory, path) = new_path();
    let one = SqliteStore::open(&path, true).unwrap();
    let other = SqliteStore::open(&path, false).unwrap();
    for number in 0..50 {
        one.put(&scattered(number), dated(1)).await.unwrap();
        assert_eq!(other.find(&scattered(number), None).await.unwrap(), Some(dated(1)));
        assert_eq!(other.put(&scattered(number), dated(2)).await.unwrap().outcome, Put::Changed);
        assert_eq!(one.find(&scattered(number), None).await.unwrap(), Some(dated(2)));
    }
}
