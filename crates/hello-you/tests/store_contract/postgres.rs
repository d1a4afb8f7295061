//! The PostgreSQL store in a database of its own, on a server that the tests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hello_testkit::PgServer;
use hello_you::store::postgres::PostgresStore;
use tokio::task::JoinSet;

use crate::Fixture;
use crate::postgres_support::start_store;

/// A new database.
pub(crate) struct PostgresFixture {
    store: PostgresStore,
    _monitors: JoinSet<()>,
    _server: Arc<PgServer>,
}

impl Fixture for PostgresFixture {
    type Store = PostgresStore;

    async fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = PgServer::shared().await;
        let database = format!("contract_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        server.create_database(&database).await;
        let (store, monitors) = start_store(&server.url("postgres", &database)).await;
        Self { store, _monitors: monitors, _server: server }
    }

    fn store(&self) -> PostgresStore {
        self.store.clone()
    }
}
