//! The store that the settings chose.

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Condition, Deleted, Position, Put, Store, StoreError, User, Written};
use crate::domain::{BirthDate, Username};

/// The store that the settings chose.
#[derive(Debug, Clone)]
pub enum AnyStore {
    /// An SQLite file.
    Sqlite(SqliteStore),
    /// PostgreSQL, a primary and its replicas.
    Postgres(PostgresStore),
}

/// Passes each call on to the store that was chosen.
impl Store for AnyStore {
    async fn find(
        &self,
        username: &Username,
        after: Option<Position>,
    ) -> Result<Option<BirthDate>, StoreError> {
        match self {
            Self::Sqlite(store) => store.find(username, after).await,
            Self::Postgres(store) => store.find(username, after).await,
        }
    }

    async fn put(&self, username: &Username, date_of_birth: BirthDate) -> Result<Written<Put>, StoreError> {
        match self {
            Self::Sqlite(store) => store.put(username, date_of_birth).await,
            Self::Postgres(store) => store.put(username, date_of_birth).await,
        }
    }

    async fn delete(&self, username: &Username) -> Result<Written<Deleted>, StoreError> {
        match self {
            Self::Sqlite(store) => store.delete(username).await,
            Self::Postgres(store) => store.delete(username).await,
        }
    }

    async fn page(&self, after: Option<&Username>, limit: usize) -> Result<Vec<User>, StoreError> {
        match self {
            Self::Sqlite(store) => store.page(after, limit).await,
            Self::Postgres(store) => store.page(after, limit).await,
        }
    }

    fn condition(&self) -> Condition {
        match self {
            Self::Sqlite(store) => store.condition(),
            Self::Postgres(store) => store.condition(),
        }
    }
}
