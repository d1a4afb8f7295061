//! The PostgreSQL store in a database of its own, on a server that the tests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hello_testkit::{PgServer, pg_version_or_skip};
use hello_you::store::postgres::PostgresStore;
use tokio::task::JoinSet;

use crate::Fixture;
use crate::postgres_support::start_store;

/// A new database on the preferred version.
pub(crate) struct PostgresFixture {
    store: PostgresStore,
    _monitors: JoinSet<()>,
    _server: Arc<PgServer>,
}

impl PostgresFixture {
    async fn on(server: Arc<PgServer>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let database = format!("contract_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        server.create_database(&database).await;
        let (_, store, monitors) = start_store(&server.url("postgres", &database)).await;
        Self { store, _monitors: monitors, _server: server }
    }
}

impl Fixture for PostgresFixture {
    type Store = PostgresStore;

    async fn start() -> Option<Self> {
        Some(Self::on(PgServer::shared().await).await)
    }

    fn store(&self) -> PostgresStore {
        self.store.clone()
    }
}

/// The same on PostgreSQL 17.
pub(crate) struct Postgres17Fixture(PostgresFixture);

impl Fixture for Postgres17Fixture {
    type Store = PostgresStore;

    async fn start() -> Option<Self> {
        let version = pg_version_or_skip(17)?;
        Some(Self(PostgresFixture::on(PgServer::shared_of(version).await).await))
    }

    fn store(&self) -> PostgresStore {
        self.0.store()
    }
}
