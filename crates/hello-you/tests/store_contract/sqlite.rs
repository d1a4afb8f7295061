//! The SQLite store in a file of its own.

use hello_you::store::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::Fixture;

/// A new file in a new directory.
pub(crate) struct SqliteFixture {
    store: SqliteStore,
    _directory: TempDir,
}

impl Fixture for SqliteFixture {
    type Store = SqliteStore;

    async fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("users.db"), true).unwrap();
        Some(Self { store, _directory: directory })
    }

    fn store(&self) -> SqliteStore {
        self.store.clone()
    }
}
