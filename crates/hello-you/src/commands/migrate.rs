//! `migrate`: brings the schema up to date, and makes the role that `serve` uses.

use anyhow::Context;

use crate::config::{Database, MigrateConfig};
use crate::store::postgres;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::Telemetry;

/// Runs the pending migrations and ends.
pub fn run(config: &MigrateConfig) -> anyhow::Result<()> {
    let _telemetry = Telemetry::start(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    match &config.database {
        Database::Sqlite { path } => {
            SqliteStore::open(path, true)?;
        }
        Database::Postgres(postgres) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("start the runtime")?;
            runtime.block_on(postgres::migrate(postgres, config.serve_role.as_ref()))?;
        }
    }
    tracing::info!("the schema is up to date");
    Ok(())
}
