//! What a server is right now: one statement, one round trip, as an ordinary role, on a primary and on a standby.
//!
//! Where the timeline comes from:
//!
//! - On a primary: the name of the WAL file being written. It is right from the first moment after a promotion;
//!   `pg_control_checkpoint()` still shows the old timeline until the next checkpoint has ended.
//! - On a standby `pg_walfile_name` raises an error, and no function open to an ordinary role tells the timeline
//!   that is being replayed. The control file knows two lower bounds: the timeline of the last restartpoint
//!   (`pg_control_checkpoint()`, behind by up to `checkpoint_timeout` after a promotion upstream) and the one of
//!   the minimum recovery point (`pg_control_recovery()`, moved on when the standby writes out a page). A role
//!   with `pg_read_all_stats` also sees the timeline being streamed (`pg_stat_wal_receiver.received_tli`, NULL for
//!   others). The highest of the three is reported, so **on a standby the timeline is a lower bound**, exact
//!   while streaming for a role with `pg_read_all_stats`. Who needs more from an ordinary role replicates it: a
//!   row in which the primary writes its own timeline proves, once a standby shows it, that the standby is on
//!   that timeline or a later one.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use crate::words::{Lsn, ParseTimelineError, SystemId, Timeline};

/// Whether a server is in recovery. A stale primary is a [`Role::Primary`] too: only the timeline tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Not in recovery: it generates WAL.
    Primary,
    /// In recovery: it replays WAL of another server or of an archive.
    Standby,
}

/// What a server reports of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStatus {
    /// In recovery or not.
    pub role: Role,
    /// Which cluster this is a copy of; `None` where the role may not read the control file.
    pub system_id: Option<SystemId>,
    /// The timeline: exact on a primary, a lower bound on a standby (see [`observe`]); `None` on a standby where
    /// the role may not read the control file.
    pub timeline: Option<Timeline>,
    /// On a primary the end of what is written, on a standby the end of what is replayed.
    pub lsn: Lsn,
    /// On a standby the end of what streaming has received and flushed; `None` if it has not streamed yet.
    /// May be lower than [`Self::lsn`] after a restart, when WAL came from local files.
    pub received_lsn: Option<Lsn>,
    /// On a standby the age of the newest replayed commit, by the standby's clock; `None` before the first one.
    /// It grows while nobody writes, so it is lag only as long as the primary commits something regularly.
    pub replay_age: Option<Duration>,
    /// Whether a transaction begun now by this session is read-only: always on a standby, and on a primary with
    /// `default_transaction_read_only`.
    pub read_only: bool,
    /// `server_version_num`, for instance 150018.
    pub server_version_num: i32,
}

/// A server could not be observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The statement failed: connection lost, server going down, permission denied.
    #[error("ask the server for its state")]
    Query(#[from] tokio_postgres::Error),
    /// The server named its WAL file in a way PostgreSQL does not.
    #[error("the server reports {name:?} as its WAL file")]
    WalFileName {
        /// What the server said.
        name: String,
        /// What is wrong with it.
        source: ParseTimelineError,
    },
}

/// Builds the statement around the columns that read the control file.
///
/// `in_recovery` is computed once in a materialized CTE: a promotion in the middle of the statement must not let one
/// CASE see a standby and the next a primary. All functions that raise an error in the wrong role are volatile or
/// get a volatile argument, so the planner does not evaluate them ahead of their CASE.
macro_rules! statement {
    ($system_id:literal, $standby_timeline:literal) => {
        concat!(
            "-- observe\n",
            "with node as materialized (select pg_is_in_recovery() as in_recovery) ",
            "select in_recovery, ",
            "case when in_recovery then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as lsn, ",
            "case when in_recovery then pg_last_wal_receive_lsn() end as received_lsn, ",
            "case when in_recovery then ",
            "extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 end as replay_age_s, ",
            "case when not in_recovery then pg_walfile_name(pg_current_wal_lsn()) end as wal_file_name, ",
            "case when in_recovery then ",
            $standby_timeline,
            " end as standby_timeline, ",
            $system_id,
            " as system_id, ",
            "current_setting('transaction_read_only')::bool as read_only, ",
            "current_setting('server_version_num')::int4 as server_version_num ",
            "from node"
        )
    };
}

const OBSERVE: &str = statement!(
    "(select system_identifier from pg_control_system())",
    "(select greatest(c.timeline_id, r.min_recovery_end_timeline, (select received_tli from pg_stat_wal_receiver))
      from pg_control_checkpoint() c, pg_control_recovery() r)"
);

/// For a role that may not execute the `pg_control_` functions. PostgreSQL checks that permission when the
/// statement starts, whatever a CASE around the call says, so it takes a second statement.
const OBSERVE_WITHOUT_CONTROL_FILE: &str =
    statement!("null::bigint", "(select received_tli from pg_stat_wal_receiver)");

/// Asks a server what it is.
///
/// One round trip (unnamed statement, parse to execute in one go), two for a role that may not execute the
/// `pg_control_` functions: then [`NodeStatus::system_id`] is `None`, and on a standby usually the timeline too.
///
/// On a primary the timeline is exact. On a standby it is a **lower bound**, since after a promotion upstream its
/// control file lags; it is exact while streaming for a role with `pg_read_all_stats`.
///
/// There is no timeout in here: a caller who talks over a network wraps it in one.
pub async fn observe(client: &Client) -> Result<NodeStatus, ObserveError> {
    let row = match client.query_typed_one(OBSERVE, &[]).await {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            client.query_typed_one(OBSERVE_WITHOUT_CONTROL_FILE, &[]).await?
        }
        other => other?,
    };
    status_from(&row)
}

fn status_from(row: &Row) -> Result<NodeStatus, ObserveError> {
    let role = if row.try_get("in_recovery")? { Role::Standby } else { Role::Primary };
    let timeline = match role {
        Role::Primary => {
            let name: String = row.try_get("wal_file_name")?;
            let timeline = Timeline::from_wal_file_name(&name);
            Some(timeline.map_err(|source| ObserveError::WalFileName { name, source })?)
        }
        Role::Standby => {
            row.try_get::<_, Option<i32>>("standby_timeline")?.map(|id| Timeline(id.cast_unsigned()))
        }
    };
    let replay_age_s: Option<f64> = row.try_get("replay_age_s")?;
    Ok(NodeStatus {
        role,
        // PostgreSQL shows its unsigned numbers as signed ones of the same width.
        system_id: row.try_get::<_, Option<i64>>("system_id")?.map(|id| SystemId(id.cast_unsigned())),
        timeline,
        lsn: row.try_get("lsn")?,
        received_lsn: row.try_get("received_lsn")?,
        // The commit's time is from the primary's clock, which may be ahead of the standby's.
        replay_age: replay_age_s.map(|age| Duration::try_from_secs_f64(age).unwrap_or(Duration::ZERO)),
        read_only: row.try_get("read_only")?,
        server_version_num: row.try_get("server_version_num")?,
    })
}
