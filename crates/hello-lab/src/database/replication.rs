//! A replica and its source: slot, base backup, and whether the two still fit.

use super::{
    configuration::{REPLICATION_USER, Source, slot_name},
    error::DatabaseError,
    files::{Files, ServerUser},
    installation::Installation,
    session::{Session, with_causes},
    tool::Tool,
};
use crate::{network::netns::Namespace, process::Processes, timeouts};
use hello_pg::{Lsn, NodeStatus, control::create_replication_slot};

/// PostgreSQL's default, which `initdb` uses here.
const WAL_SEGMENT_BYTES: u64 = 16 << 20;

/// How a replica stands with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It can stream.
    Sound,
    /// Its slot is gone: the source was promoted or made anew from a copy, which does not have it.
    NoSlot,
    /// It can never catch up: why. It has to be made anew.
    Broken(String),
}

/// Looks from both sides.
pub(super) async fn link(
    source: &Session,
    replica: &NodeStatus,
    identifier: &str,
) -> Result<Link, DatabaseError> {
    const QUESTION: &str = "select (select system_identifier from pg_control_system()), \
        (select wal_status from pg_replication_slots where slot_name = $1), \
        (select coalesce(active, false) from pg_replication_slots where slot_name = $1), \
        (select min(substr(name, 9)) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$')";
    let slot = slot_name(identifier);
    let row = source.ask("look at the replica's slot", source.client().query_one(QUESTION, &[&slot])).await?;
    let system_id: i64 = row.get(0);
    let wal_status: Option<String> = row.get(1);
    let active: Option<bool> = row.get(2);
    let oldest: Option<String> = row.get(3);

    // PostgreSQL shows the unsigned number as a signed one.
    if replica.system_id.is_some_and(|own| own.0 != system_id.cast_unsigned()) {
        return Ok(Link::Broken("its source is another cluster than the one it was copied from".to_owned()));
    }
    if wal_status.as_deref() == Some("lost") {
        return Ok(Link::Broken(
            "its slot on the source was invalidated: it was behind for too long".to_owned(),
        ));
    }
    let needed = replica.received_lsn.map_or(replica.lsn, |received| received.max(replica.lsn));
    if active != Some(true)
        && oldest.as_deref().and_then(segment_number).is_some_and(|oldest| oldest > segment(needed))
    {
        return Ok(Link::Broken(format!("the source has no WAL from {needed} on any more")));
    }
    Ok(if wal_status.is_some() { Link::Sound } else { Link::NoSlot })
}

fn segment(lsn: Lsn) -> u64 {
    lsn.0 / WAL_SEGMENT_BYTES
}

/// From the last 16 digits of the name of a WAL file: a number in units of 4 GB, and one of segments within.
fn segment_number(digits: &str) -> Option<u64> {
    let (high, low) = digits.split_at_checked(8)?;
    let (high, low) = (u64::from_str_radix(high, 16).ok()?, u64::from_str_radix(low, 16).ok()?);
    Some(high * ((1 << 32) / WAL_SEGMENT_BYTES) + low)
}

/// Makes the slot that keeps WAL for the replica from now on.
pub(super) async fn make_slot(source: &Session, identifier: &str) -> Result<(), DatabaseError> {
    match tokio::time::timeout(
        timeouts::DATABASE_STATEMENT,
        create_replication_slot(source.client(), &slot_name(identifier)),
    )
    .await
    {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(DatabaseError::Statement {
            identifier: identifier.to_owned(),
            what: "make its slot on the source",
            source: with_causes(&error).into(),
        }),
        Err(_) => Err(DatabaseError::TimedOut {
            identifier: identifier.to_owned(),
            what: "making its slot on the source".to_owned(),
            limit: timeouts::DATABASE_STATEMENT,
            status: "no answer".to_owned(),
        }),
    }
}

/// Removes the slot, ending whoever streams from it. One that is gone already is no error.
pub(super) async fn drop_slot(source: &Session, identifier: &str) -> Result<(), DatabaseError> {
    const END: &str = "select pg_terminate_backend(active_pid, 5000) from pg_replication_slots \
        where slot_name = $1 and active_pid is not null";
    const DROP: &str =
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1";
    let slot = slot_name(identifier);
    source.ask("end the use of a slot", source.client().query(END, &[&slot])).await?;
    source.ask("remove a slot", source.client().query(DROP, &[&slot])).await?;
    Ok(())
}

/// Has the source what a replica needs of it?
pub(super) async fn is_source_prepared(source: &Session) -> Result<bool, DatabaseError> {
    let asked = source
        .client()
        .query_one("select exists (select from pg_roles where rolname = $1)", &[&REPLICATION_USER]);
    Ok(source.ask("look for the replication user", asked).await?.get(0))
}

/// Copies the source over the network, from inside the replica's namespace, with the slot that keeps the WAL meanwhile.
///
/// Nothing waits for the disk: a copy that a crash of the machine damages was not finished and is made anew, and one
/// that is finished is written out before the replica is available.
pub(super) async fn base_backup(
    processes: &Processes,
    files: &Files,
    installation: &Installation,
    user: ServerUser,
    namespace: Namespace,
    source: Source<'_>,
) -> Result<(), DatabaseError> {
    let mut arguments: Vec<std::ffi::OsString> =
        vec!["-d".into(), source.conninfo(files).into(), "-D".into(), files.unfinished().into()];
    arguments.extend(["-X", "stream", "-c", "fast", "--no-sync", "--no-password", "-S"].map(Into::into));
    arguments.push(slot_name(&files.identifier).into());
    let tool = Tool {
        processes,
        files,
        program: installation.program("pg_basebackup"),
        arguments,
        user: Some(user),
        namespace: Some(namespace),
        limit: timeouts::DATABASE_COPY,
    };
    tool.run().await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_wal_files_are_compared_with_positions() {
        assert_eq!(segment_number("0000000000000003"), Some(segment(Lsn(0x0300_0028))));
        assert_eq!(segment_number("00000001000000FF"), Some(segment(Lsn(0x1_FF00_0000))));
        assert_eq!(segment_number("0000000200000000"), Some(segment(Lsn(0x2_0000_0000))));
        assert_eq!(segment_number("nonsense"), None);
    }
}
