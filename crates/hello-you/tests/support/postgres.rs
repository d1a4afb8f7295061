//! The PostgreSQL store inside a test, without HTTP around it.

use std::time::Duration;

use hello_testkit::{Poll, wait_until};
use hello_you::cli::{self, Invocation};
use hello_you::config::{Database, PostgresConfig};
use hello_you::store::Store as _;
use hello_you::store::postgres::{Postgres, PostgresStore};
use hello_you::telemetry::StoreMetrics;
use tokio::task::JoinSet;

/// What the settings make of a `DATABASE_URL`.
fn config(url: &str) -> PostgresConfig {
    let environment = [("DATABASE_URL".into(), url.into())].into_iter().collect();
    let invocation = cli::parse(["hello-you".into()], &environment).unwrap();
    match invocation {
        Invocation::Serve(config) => match config.database {
            Database::Postgres(config) => config,
            Database::Sqlite { .. } => unreachable!("DATABASE_URL chooses PostgreSQL"),
        },
        other => unreachable!("{other:?}"),
    }
}

/// Starts a store with its monitors, and waits until it can write.
pub(crate) async fn start_store(url: &str) -> (Postgres, PostgresStore, JoinSet<()>) {
    let postgres = Postgres::new(&config(url), 1, Duration::from_secs(10), StoreMetrics::detached()).unwrap();
    let monitors = postgres.monitors(true).collect::<JoinSet<()>>();
    let store = postgres.for_worker();
    wait_until("the store reads and writes", Duration::from_secs(60), async || {
        let condition = store.condition();
        Poll::ready_if(
            condition.reads.is_some() && condition.writes_failing_for.is_none(),
            format!("{condition:?}"),
        )
    })
    .await;
    (postgres, store, monitors)
}
