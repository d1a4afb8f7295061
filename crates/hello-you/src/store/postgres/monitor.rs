//! Looks at one host for ever: what it is, and, if it is the one to write to, migrations, epoch and heartbeat.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hello_pg::{NodeStatus, Role};
use postgres_types::Type;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::cluster::Cluster;
use super::connect::{ConnectError, Connection, error_chain};
use super::migrate::{self, MigrateError};
use super::sql;
use super::topology::{HostId, Report};

/// How often a host is looked at: a promotion is followed within 5 s, of which this is the largest part.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a host that does not answer is tried again: service is back within 2 s of the host's return.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// A host that needs longer for a few rows of its own state is as good as gone.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// The heartbeat's period (see [`sql::HEARTBEAT`]) plus what one look may be late: an age below this is no lag.
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(6);
/// Migrations may rewrite a table; they are given up only when the connection is gone or this has passed.
const MIGRATE_TIMEOUT: Duration = Duration::from_secs(600);

/// Serves one host for ever. `migrate`: run pending migrations when this host is the one to write to.
pub(super) async fn run(cluster: Arc<Cluster>, host: HostId, migrate: bool) {
    let mut last_failure = None;
    loop {
        let began = Instant::now();
        match timeout(LOOK_TIMEOUT, cluster.connector().connect(host)).await {
            Ok(Ok(connection)) => {
                last_failure = None;
                let error = watch(&cluster, host, &connection, migrate).await;
                let cause = error_chain(&error);
                tracing::warn!(
                    host = host.0,
                    error = cause,
                    "a database host does not answer its monitor any more"
                );
                // A process that is starved of processor time misses its own time limits. As long as requests
                // succeed the host is there, and what was last seen of it stands.
                let lately = Instant::now().checked_sub(LOOK_TIMEOUT);
                if matches!(error, WatchError::TimedOut)
                    && lately.is_some_and(|lately| cluster.has_served_since(host, lately))
                {
                    continue;
                }
            }
            Ok(Err(error)) => report_failure(host, &mut last_failure, error.to_string()),
            Err(_) if cluster.has_served_since(host, began) => continue,
            Err(_) => report_failure(host, &mut last_failure, ConnectError::TimedOut.to_string()),
        }
        cluster.host_failed(host);
        sleep(jittered(RETRY_EVERY)).await;
    }
}

/// Says why a host cannot be connected to, a wrong password for instance: once, and again when the cause is another.
fn report_failure(host: HostId, last_failure: &mut Option<String>, error: String) {
    if last_failure.as_ref() != Some(&error) {
        tracing::warn!(host = host.0, error, "cannot connect to a database host");
        *last_failure = Some(error);
    }
}

/// Looks at a host over one connection until that fails.
async fn watch(cluster: &Cluster, host: HostId, connection: &Connection, migrate: bool) -> WatchError {
    let mut is_migrated = !migrate;
    loop {
        let report = match timeout(LOOK_TIMEOUT, look(connection)).await {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => return error,
            Err(_) => return WatchError::TimedOut,
        };
        let role = report.status.role;
        cluster.set_client(host, connection.client());
        cluster.host_answered(host, report);
        if role == Role::Primary && cluster.topology().writer == Some(host) {
            if !is_migrated {
                match timeout(MIGRATE_TIMEOUT, migrate::run(connection)).await {
                    Ok(Ok(())) => {
                        is_migrated = true;
                        continue;
                    }
                    Ok(Err(error)) => tracing::error!(host = host.0, %error, "failed to migrate the schema"),
                    Err(_) => return WatchError::TimedOut,
                }
            }
            match timeout(LOOK_TIMEOUT, keep_fresh(cluster, connection)).await {
                Ok(Ok(())) => cluster.write_succeeded(),
                Ok(Err(error)) => {
                    tracing::warn!(host = host.0, %error, "the heartbeat could not be written");
                    cluster.write_failed();
                }
                Err(_) => return WatchError::TimedOut,
            }
        }
        tokio::select! {
            () = sleep(jittered(LOOK_EVERY)) => {}
            () = cluster.suspected(host) => {}
        }
    }
}

/// What a host is now: two round trips, the second about our own tables.
async fn look(client: &Client) -> Result<Report, WatchError> {
    let status = hello_pg::observe(client).await?;
    let system_id = status.system_id.map(|id| id.to_string()).unwrap_or_default();
    let recorded = client.query_typed_one(sql::RECORDED, &[(&system_id, Type::TEXT)]).await;
    let row = match recorded {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            return Ok(Report { status, recorded_timeline: None, lag: None, has_schema: false });
        }
        other => other?,
    };
    let timeline: Option<i64> = row.try_get(0)?;
    let heartbeat_age: Option<f64> = row.try_get(1)?;
    let lag = lag(&status, heartbeat_age);
    let recorded_timeline = timeline.and_then(|number| u32::try_from(number).ok()).map(hello_pg::Timeline);
    Ok(Report { status, recorded_timeline, lag, has_schema: true })
}

/// How far a standby is behind, from the age of the heartbeat that it has replayed.
///
/// The heartbeat is rewritten about every five seconds also while nobody writes, so an age up to its period is no lag.
fn lag(status: &NodeStatus, heartbeat_age: Option<f64>) -> Option<Duration> {
    if status.role == Role::Primary {
        return None;
    }
    let age = Duration::try_from_secs_f64(heartbeat_age?.max(0.0)).ok()?;
    Some(age.saturating_sub(HEARTBEAT_PERIOD))
}

/// Records the timeline in the database, so that it tells those that come later, and keeps the heartbeat fresh.
async fn keep_fresh(cluster: &Cluster, client: &Client) -> Result<(), Error> {
    let epoch = cluster.topology().epoch;
    if let (Some(system_id), Some(timeline)) = (epoch.system_id, epoch.timeline) {
        let system_id = system_id.to_string();
        let timeline = i64::from(timeline.0);
        client.query_typed(sql::RECORD_EPOCH, &[(&system_id, Type::TEXT), (&timeline, Type::INT8)]).await?;
    }
    client.query_typed(sql::HEARTBEAT, &[]).await?;
    Ok(())
}

/// The duration, up to a tenth longer, so that many instances do not act in step.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(1.0 + 0.1 * crate::random::fraction())
}

#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Observe(#[from] hello_pg::ObserveError),
    #[error("{0}")]
    Query(#[from] Error),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("no answer in time")]
    TimedOut,
}
