//! The stores behind a service under test.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hello_testkit::PgServer;
use tempfile::TempDir;

use super::service::Service;

/// Where a service keeps its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A service and what it needs; all of it goes when this is dropped.
pub(crate) struct Running {
    service: Service,
    _needs: Needs,
}

/// Only held: dropped after the service.
enum Needs {
    Directory { _directory: TempDir },
    Server { _server: Arc<PgServer> },
}

impl Backend {
    /// Starts a service on an empty store.
    pub(crate) async fn start(self) -> Running {
        self.start_with(&[]).await
    }

    /// The same with more variables.
    pub(crate) async fn start_with(self, variables: &[(&str, &str)]) -> Running {
        match self {
            Self::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("users.db");
                let path = [("HELLO_SQLITE_PATH", path.to_str().unwrap())];
                let service = Service::start(&[&path, variables].concat()).await;
                Running { service, _needs: Needs::Directory { _directory: directory } }
            }
            Self::Postgres => {
                static NUMBER: AtomicU32 = AtomicU32::new(0);
                let server = PgServer::shared().await;
                let database = format!("service_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
                server.create_database(&database).await;
                let url = server.url("postgres", &database);
                // The tests share one server and its connections.
                let settings = [("DATABASE_URL", url.as_str()), ("DB_POOL_SIZE", "4")];
                let service = Service::start(&[&settings, variables].concat()).await;
                service.wait_ready("primary", "primary").await;
                Running { service, _needs: Needs::Server { _server: server } }
            }
        }
    }
}

impl Deref for Running {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Makes of each async function that takes a [`Backend`] one test on SQLite and one on PostgreSQL.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::backend::Backend::Sqlite).await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::backend::Backend::Postgres).await;
            })+
        }
    };
}

pub(crate) use on_both_stores;
