//! What the lab must not forget, in one SQLite file: resources as Terraform applied them, and documents of the lab's own
//! (addresses given away, tasks, faults).
//!
//! Each change is committed before anybody acts on it. The file holds passwords, so every value is sealed with a key that
//! lies beside it and that root alone may read.

mod seal;

use crate::timeouts;
use rusqlite::{Connection, params};
use seal::Key;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system.
    #[error("the lab's store in {directory} cannot be used: {source}")]
    Io {
        /// Where it is.
        directory: String,
        /// What is wrong.
        source: io::Error,
    },
    /// SQLite.
    #[error("the lab's store cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A value that the key does not open.
    #[error(
        "a value in the lab's store cannot be read with its key: the file or its key was changed; `hello-lab reset` begins anew"
    )]
    Sealed,
}

/// The store of a lab.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    key: Key,
}

/// One stored value: which kind of thing it is, its key within the kind, and its JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `resource`, `interface`, `task`, ...
    pub kind: String,
    /// Unique within the kind.
    pub key: String,
    /// JSON.
    pub text: String,
}

impl Store {
    /// Opens the store in `directory`, and makes it where there is none.
    pub fn open(directory: &Path) -> Result<Store, StoreError> {
        let io = |source| StoreError::Io { directory: directory.display().to_string(), source };
        fs::create_dir_all(directory).map_err(io)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(io)?;
        let key = Key::at(&directory.join("store.key")).map_err(io)?;
        let connection = Connection::open(directory.join("store.db"))?;
        connection.busy_timeout(timeouts::STORE_BUSY)?;
        // `full` waits for the disk at each change. With `normal` a WAL loses its newest changes with the machine's power
        // (https://sqlite.org/pragma.html#pragma_synchronous), while databases, snapshots and Terraform's own state, which
        // speak of them, are on the disk.
        connection.execute_batch(
            "pragma journal_mode = wal;
             pragma synchronous = full;
             create table if not exists item (
                 kind text not null,
                 key text not null,
                 sealed blob not null,
                 primary key (kind, key)
             ) without rowid, strict;",
        )?;
        Ok(Store { connection: Mutex::new(connection), key })
    }

    /// Everything in it, by kind and key.
    pub fn load(&self) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare("select kind, key, sealed from item order by kind, key")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        let mut found = Vec::new();
        for row in rows {
            let (kind, key, sealed) = row?;
            let text = self.key.open(&place(&kind, &key), &sealed).ok_or(StoreError::Sealed)?;
            found.push(Row { kind, key, text });
        }
        Ok(found)
    }

    /// Writes `put` and removes `gone` (kind and key), all or nothing.
    pub fn change(&self, put: &[Row], gone: &[(String, String)]) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        {
            let mut upsert = transaction.prepare_cached(
                "insert into item (kind, key, sealed) values (?1, ?2, ?3)
                 on conflict (kind, key) do update set sealed = excluded.sealed",
            )?;
            for row in put {
                let sealed = self.key.seal(&place(&row.kind, &row.key), &row.text);
                upsert.execute(params![row.kind, row.key, sealed])?;
            }
            let mut delete = transaction.prepare_cached("delete from item where kind = ?1 and key = ?2")?;
            for (kind, key) in gone {
                delete.execute(params![kind, key])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// What a sealed value belongs to, so that one cannot be put in another's place.
fn place(kind: &str, key: &str) -> String {
    format!("{kind}/{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, text: &str) -> Row {
        Row { kind: "resource".to_owned(), key: key.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn what_was_written_is_there_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.change(&[row("a", "1"), row("b", "2")], &[]).unwrap();
        store.change(&[row("b", "3")], &[("resource".to_owned(), "a".to_owned())]).unwrap();
        drop(store);
        assert_eq!(Store::open(directory.path()).unwrap().load().unwrap(), [row("b", "3")]);
    }

    #[test]
    fn no_value_is_readable_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.change(&[row("a", "planted-password-4711")], &[]).unwrap();
        drop(store);
        for entry in fs::read_dir(directory.path()).unwrap() {
            let content = fs::read(entry.unwrap().path()).unwrap();
            assert!(!content.windows(16).any(|window| window == b"planted-password"));
        }
    }

    #[test]
    fn a_changed_key_is_one_clear_error() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.change(&[row("a", "1")], &[]).unwrap();
        drop(store);
        fs::remove_file(directory.path().join("store.key")).unwrap();
        let error = Store::open(directory.path()).unwrap().load().unwrap_err();
        assert!(error.to_string().contains("hello-lab reset"), "{error}");
    }
}
