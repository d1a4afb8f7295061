//! From the first start to the end: creation, migration, refusal of overload, closing.

use std::os::unix::fs::PermissionsExt as _;

use hello_you::store::sqlite::{OpenProblem, SqliteStore};
use hello_you::store::{Put, Store as _, StoreError};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::{beside, dated, fill, name, new_path, scattered};

#[tokio::test]
async fn the_last_handle_dropped_leaves_one_file_with_everything_in_it() {
    let (directory, path) = new_path();
    let store = SqliteStore::open(&path, true).unwrap();
    let clone = store.clone();
    fill(&store, 100).await;
    drop(store);
    assert_eq!(clone.find(&scattered(7), None).await.unwrap(), Some(dated(1)), "a clone goes on");
    drop(clone);
    let files: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["users.db"]);
    let users: i32 = Connection::open(&path)
        .unwrap()
        .query_row("select count(*) from users", [], |row| row.get(0))
        .unwrap();
    assert_eq!(users, 100);
}

#[tokio::test]
async fn what_was_written_is_there_after_a_new_start_with_or_without_migration() {
    let (_directory, path) = new_path();
    let store = SqliteStore::open(&path, true).unwrap();
    store.put(&name("Ana"), dated(7)).await.unwrap();
    drop(store);
    for migrate in [false, true] {
        let store = SqliteStore::open(&path, migrate).unwrap();
        assert_eq!(store.find(&name("Ana"), None).await.unwrap(), Some(dated(7)));
    }
}

#[test]
fn a_new_file_is_for_its_owner_alone() {
    let (_directory, path) = new_path();
    let _store = SqliteStore::open(&path, true).unwrap();
    for file in [path.clone(), beside(&path, "-wal")] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn an_empty_file_becomes_a_database() {
    let (_directory, path) = new_path();
    std::fs::write(&path, []).unwrap();
    drop(SqliteStore::open(&path, true).unwrap());
    SqliteStore::open(&path, false).unwrap();
}

#[tokio::test]
async fn names_that_mean_something_to_sqlite_are_plain_paths() {
    let (directory, _) = new_path();
    for file in ["file:users.db?mode=memory", ":memory:", "a b#c%41.db", "Łukasz.db"] {
        let path = directory.path().join(file);
        let store = SqliteStore::open(&path, true).unwrap();
        store.put(&name("Ana"), dated(7)).await.unwrap();
        drop(store);
        assert!(path.metadata().unwrap().len() > 0, "{file}");
        let store = SqliteStore::open(&path, false).unwrap();
        assert_eq!(store.find(&name("Ana"), None).await.unwrap(), Some(dated(7)), "{file}");
    }
}

#[test]
fn without_migration_nothing_is_made_or_changed() {
    let (directory, path) = new_path();
    let error = SqliteStore::open(&path, false).unwrap_err();
    assert!(matches!(error.problem, OpenProblem::Missing), "{error}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    std::fs::write(&path, []).unwrap();
    let error = SqliteStore::open(&path, false).unwrap_err();
    assert!(matches!(error.problem, OpenProblem::SchemaBehind), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), [0_u8; 0]);
}

#[tokio::test]
async fn an_older_program_works_beside_a_newer_schema() {
    let (_directory, path) = new_path();
    drop(SqliteStore::open(&path, true).unwrap());
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "alter table users add column nickname text;
             insert into schema_migrations (version, name) values (2, 'nickname')",
        )
        .unwrap();
    for migrate in [true, false] {
        let store = SqliteStore::open(&path, migrate).unwrap();
        store.put(&name("Ana"), dated(7)).await.unwrap();
        assert_eq!(store.find(&name("Ana"), None).await.unwrap(), Some(dated(7)));
    }
}

#[test]
fn the_schema_refuses_what_is_no_user() {
    let (_directory, path) = new_path();
    drop(SqliteStore::open(&path, true).unwrap());
    let connection = Connection::open(&path).unwrap();
    let long = "a".repeat(51);
    let rows: [(Option<&str>, &str); 7] = [
        (None, "1"),
        (Some(""), "1"),
        (Some(&long), "1"),
        (Some("Ana"), "-719163"),
        (Some("Ana"), "2932897"),
        (Some("Ana"), "1990-06-15"),
        (Some("Ana"), "null"),
    ];
    for (username, days) in rows {
        let insert = "insert into users (username, date_of_birth) values (?1, nullif(?2, 'null'))";
        assert!(connection.execute(insert, (username, days)).is_err(), "{username:?} {days}");
    }
    for (username, days) in [("\u{20000}".repeat(50), "-719162"), ("Ana".to_owned(), "2932896")] {
        let insert = "insert into users (username, date_of_birth) values (?1, ?2)";
        assert_eq!(connection.execute(insert, (username, days)), Ok(1));
    }
}

#[tokio::test]
async fn more_writes_than_may_wait_are_refused_and_reads_go_on() {
    let (_directory, path) = new_path();
    let store = SqliteStore::open(&path, true).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("begin immediate").unwrap();
    let mut writes = JoinSet::new();
    for number in 0..6_000 {
        let store = store.clone();
        writes.spawn(async move { store.put(&scattered(number), dated(1)).await });
    }
    let refused = writes.join_next().await.unwrap().unwrap();
    assert!(matches!(refused, Err(StoreError::Overloaded)), "{refused:?}");
    assert_eq!(store.find(&scattered(1), None).await.unwrap(), None, "reads go on");

    holder.execute_batch("commit").unwrap();
    let mut stored = 0;
    for result in writes.join_all().await {
        match result {
            Ok(written) => {
                assert_eq!(written.outcome, Put::Created);
                stored += 1;
            }
            Err(error) => assert!(matches!(error, StoreError::Overloaded), "{error}"),
        }
    }
    assert!((4_096..6_000).contains(&stored), "{stored} were stored");
    assert_eq!(store.put(&name("Ana"), dated(1)).await.unwrap().outcome, Put::Created);
}
