//! A deleted user leaves no trace on the disk.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use hello_testkit::{Poll, wait_until};
use hello_you::domain::Username;
use hello_you::store::sqlite::SqliteStore;
use hello_you::store::{Deleted, Store as _};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::{LIMIT, contents, dated, fill, name, new_path, scattered};

/// So many that the rows have been moved between pages, which leaves traces that `secure_delete` alone does not find.
const USERS: u32 = 12_000;

/// All names here are at least that long; it makes the search of many names in many bytes quick.
const PREFIX: usize = 12;

/// How many of the names stand anywhere in the files of the directory.
fn traces(directory: &Path, names: &[Username]) -> usize {
    let by_prefix: HashMap<&[u8], &[u8]> =
        names.iter().map(|name| name.as_str().as_bytes()).map(|name| (&name[..PREFIX], name)).collect();
    let mut found = HashSet::new();
    for bytes in contents(directory).values() {
        for (at, prefix) in bytes.windows(PREFIX).enumerate() {
            if let Some(name) = by_prefix.get(prefix)
                && bytes[at..].starts_with(name)
            {
                found.insert(*name);
            }
        }
    }
    found.len()
}

#[tokio::test]
async fn no_trace_of_deleted_names_stays_while_others_read() {
    let (directory, path) = new_path();
    let store = SqliteStore::open(&path, true).unwrap();
    fill(&store, USERS).await;
    let gone: Vec<Username> = (0..USERS).step_by(3).map(scattered).collect();
    assert_eq!(traces(directory.path(), &gone), gone.len());

    let mut readers = JoinSet::new();
    for number in 0..8 {
        let store = store.clone();
        readers.spawn(async move {
            loop {
                store.find(&scattered(number), None).await.unwrap();
                store.page(None, 100).await.unwrap();
            }
        });
    }
    for usernames in gone.chunks(2_000) {
        let mut deletes = JoinSet::new();
        for username in usernames {
            let (store, username) = (store.clone(), username.clone());
            deletes.spawn(async move { store.delete(&username).await.unwrap().outcome });
        }
        assert!(deletes.join_all().await.iter().all(|outcome| *outcome == Deleted::Gone));
    }
    wait_until("no trace is left", LIMIT, async || {
        let left = traces(directory.path(), &gone);
        Poll::ready_if(left == 0, format!("{left} names are still in the files"))
    })
    .await;
    readers.shutdown().await;
    assert_eq!(store.find(&scattered(1), None).await.unwrap(), Some(dated(1)), "others are still there");
}

#[tokio::test]
async fn a_reader_of_another_process_delays_the_erasure_and_not_the_answer() {
    let (directory, path) = new_path();
    let store = SqliteStore::open(&path, true).unwrap();
    let longest = name(&"Anastasia".repeat(5));
    store.put(&longest, dated(1)).await.unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("begin").unwrap();
    let users: i32 = reader.query_row("select count(*) from users", [], |row| row.get(0)).unwrap();
    assert_eq!(users, 1);

    assert_eq!(store.delete(&longest).await.unwrap().outcome, Deleted::Gone);
    assert_eq!(traces(directory.path(), std::slice::from_ref(&longest)), 1, "the reader still needs it");
    store.put(&name("Bea"), dated(1)).await.unwrap();

    reader.execute_batch("commit").unwrap();
    wait_until("no trace is left", LIMIT, async || {
        let left = traces(directory.path(), std::slice::from_ref(&longest));
        Poll::ready_if(left == 0, "the name is still in the files")
    })
    .await;
}

#[tokio::test]
async fn an_erasure_cut_short_is_made_up_for_at_the_next_start() {
    let (directory, path) = new_path();
    let store = SqliteStore::open(&path, true).unwrap();
    let longest = name(&"Anastasia".repeat(5));
    store.put(&longest, dated(1)).await.unwrap();
    drop(store);
    // What a process leaves that ended right after the commit of a delete.
    let ended = Connection::open(&path).unwrap();
    ended
        .execute_batch(
            "pragma secure_delete = off; begin; delete from users; pragma user_version = 1; commit",
        )
        .unwrap();
    drop(ended);
    assert_eq!(traces(directory.path(), std::slice::from_ref(&longest)), 1);

    let _store = SqliteStore::open(&path, true).unwrap();
    wait_until("no trace is left", LIMIT, async || {
        let left = traces(directory.path(), std::slice::from_ref(&longest));
        Poll::ready_if(left == 0, "the name is still in the file")
    })
    .await;
}
