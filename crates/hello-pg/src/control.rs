//! Changing a server and waiting for it: promotion, slots, replay.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::words::Lsn;

/// How often a wait asks the server again. Replay inside a region takes about a millisecond.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How much longer than PostgreSQL itself we wait for an answer about a promotion.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

/// A change of a server, or the wait for one, failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The statement failed. Displayed as a bare verb phrase, to stand after "failed to" and before its source.
    #[error("{what}")]
    Query {
        /// What was being done, as a bare verb phrase.
        what: &'static str,
        /// The driver's error.
        source: tokio_postgres::Error,
    },
    /// The server accepted the request to promote but was not a primary in time. It may still become one.
    #[error("the server did not finish its promotion within {} s", .waited.as_secs())]
    PromotionTimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// The server had not replayed the wanted position in time.
    #[error("the server did not replay {wanted} within {} ms; {}", .waited.as_millis(), progress(*.reached))]
    ReplayTimedOut {
        /// The position waited for.
        wanted: Lsn,
        /// How far it had come when last asked; `None` if it never answered.
        reached: Option<Lsn>,
        /// How long was waited.
        waited: Duration,
    },
}

fn progress(lsn: Option<Lsn>) -> String {
    lsn.map_or_else(|| "it never answered".to_owned(), |lsn| format!("it reached {lsn}"))
}

impl ControlError {
    fn query(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Query { what, source }
    }
}

/// Promotes a standby and waits until it accepts writes. Needs EXECUTE on `pg_promote`.
///
/// `timeout` counts in whole seconds, at least one. A server that is not in recovery is an error.
pub async fn promote(client: &Client, timeout: Duration) -> Result<(), ControlError> {
    let seconds = i32::try_from(timeout.as_secs().max(1)).unwrap_or(i32::MAX);
    let timed_out = || ControlError::PromotionTimedOut { waited: timeout };
    let params: [&(dyn ToSql + Sync); 1] = [&seconds];
    let answer = client.query_one("select pg_promote(wait => true, wait_seconds => $1)", &params);
    let row = timeout_at(Instant::now() + timeout + ANSWER_MARGIN, answer)
        .await
        .map_err(|_| timed_out())?
        .map_err(ControlError::query("promote the server"))?;
    let promoted: bool = row.try_get(0).map_err(ControlError::query("promote the server"))?;
    if promoted { Ok(()) } else { Err(timed_out()) }
}

/// Makes a physical replication slot that keeps WAL from now on. Needs the REPLICATION attribute.
///
/// Returns `false` if a slot of that name was there already; it is then left as it is.
pub async fn create_replication_slot(client: &Client, name: &str) -> Result<bool, ControlError> {
    // The second argument reserves WAL at once instead of at the first connection of a replica.
    match client.execute("select pg_create_physical_replication_slot($1::text::name, true)", &[&name]).await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::DUPLICATE_OBJECT) => Ok(false),
        Err(source) => Err(ControlError::Query { what: "create a replication slot", source }),
    }
}

/// Waits until the server has replayed `wanted`, or written it if it is (or becomes) a primary.
///
/// Returns the position it was at. A statement that fails ends the wait.
pub async fn wait_for_replay(client: &Client, wanted: Lsn, timeout: Duration) -> Result<Lsn, ControlError> {
    // After a promotion the last replayed position stands still, hence the current one first.
    const POSITION: &str = "with node as materialized (select pg_is_in_recovery() as in_recovery) \
        select case when in_recovery then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end from node";
    let deadline = Instant::now() + timeout;
    let mut reached = None;
    let wait = async {
        loop {
            let next = Instant::now() + POLL_INTERVAL;
            let row = client.query_typed_one(POSITION, &[]).await?;
            let lsn: Lsn = row.try_get(0)?;
            reached = Some(lsn);
            if lsn >= wanted {
                return Ok(lsn);
            }
            sleep_until(next).await;
        }
    };
    match timeout_at(deadline, wait).await {
        Ok(result) => result.map_err(ControlError::query("ask the server for its position")),
        Err(_) => Err(ControlError::ReplayTimedOut { wanted, reached, waited: timeout }),
    }
}
