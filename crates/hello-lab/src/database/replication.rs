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
use hello_pg::{Lsn, NodeStatus, SystemId, Timeline, control::create_replication_slot};
use std::collections::BTreeMap;

/// PostgreSQL's default, which `initdb` uses here.
const WAL_SEGMENT_BYTES: u64 = 16 << 20;

/// What a standby must have at least as much of as its source's log says: the parameter, what `pg_controldata` calls it,
/// and PostgreSQL's default. With less it ends at its start.
///
/// <https://www.postgresql.org/docs/15/hot-standby.html#HOT-STANDBY-ADMIN>
const LEAST: &[(&str, &str, u64)] = &[
    ("max_connections", "max_connections setting:", 100),
    ("max_locks_per_transaction", "max_locks_per_xact setting:", 64),
    ("max_prepared_transactions", "max_prepared_xacts setting:", 0),
    ("max_wal_senders", "max_wal_senders setting:", 10),
    ("max_worker_processes", "max_worker_processes setting:", 8),
];

/// The parameters with which a standby can start, by the output of `pg_controldata`: a value that was made smaller counts
/// once the standby has replayed that its source has it too, and is started again.
pub(super) fn startable(wanted: &BTreeMap<String, String>, control_data: &str) -> BTreeMap<String, String> {
    let mut startable = wanted.clone();
    for (name, word, default) in LEAST {
        let said = control_data.lines().find_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok());
        let own = wanted.get(*name).and_then(|value| value.parse().ok()).unwrap_or(*default);
        if let Some(least) = said.filter(|least| *least > own) {
            startable.insert((*name).to_owned(), least.to_string());
        }
    }
    startable
}

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

/// What the source says of a replica's slot, and of what it can still give.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SourceView {
    system_id: SystemId,
    /// The end of what it has.
    end: Lsn,
    /// `reserved`, `extended`, `unreserved`, `lost`; `None` where there is no slot.
    slot: Option<String>,
    /// Somebody streams from the slot.
    is_streaming: bool,
    /// The number of its oldest WAL file.
    oldest_segment: Option<u64>,
    /// The timelines that it has left, and where.
    left: Vec<(Timeline, Lsn)>,
}

/// What a replica has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReplicaView {
    system_id: Option<SystemId>,
    /// The end of what it has received.
    end: Lsn,
    /// The timeline of that.
    timeline: Option<Timeline>,
}

/// Looks from both sides. `status` is the replica's, looked at before, so that a source that is sound is not behind it.
pub(super) async fn link(
    source: &Session,
    replica: &Session,
    status: &NodeStatus,
    identifier: &str,
) -> Result<Link, DatabaseError> {
    let source = view_source(source, identifier).await?;
    let timeline = if source.is_streaming { None } else { newest_timeline(replica).await? };
    let end = status.received_lsn.map_or(status.lsn, |received| received.max(status.lsn));
    Ok(judge(&source, ReplicaView { system_id: status.system_id, end, timeline }))
}

async fn view_source(source: &Session, identifier: &str) -> Result<SourceView, DatabaseError> {
    const VIEW: &str = "select (select system_identifier from pg_control_system()), \
        case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
             else pg_current_wal_flush_lsn() end, \
        (select wal_status from pg_replication_slots where slot_name = $1), \
        coalesce((select active from pg_replication_slots where slot_name = $1), false), \
        (select min(substr(name, 9)) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'), \
        (select pg_read_file('pg_wal/' || max(name)) from pg_ls_waldir() where name ~ '^[0-9A-F]{8}[.]history$')";
    let slot = slot_name(identifier);
    let row = source.ask("look at the replica's slot", source.client().query_one(VIEW, &[&slot])).await?;
    let system_id: i64 = row.get(0);
    let oldest: Option<String> = row.get(4);
    let history: Option<String> = row.get(5);
    Ok(SourceView {
        // PostgreSQL shows the unsigned number as a signed one.
        system_id: SystemId(system_id.cast_unsigned()),
        end: row.get(1),
        slot: row.get(2),
        is_streaming: row.get(3),
        oldest_segment: oldest.as_deref().and_then(segment_number),
        left: history.map(|history| timelines_left(&history)).unwrap_or_default(),
    })
}

/// The timeline of what a standby has received: that of its newest WAL files. The control file is behind.
async fn newest_timeline(replica: &Session) -> Result<Option<Timeline>, DatabaseError> {
    const NEWEST: &str = "select max(name) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'";
    let row = replica.ask("look at its WAL files", replica.client().query_one(NEWEST, &[])).await?;
    let name: Option<String> = row.get(0);
    Ok(name.and_then(|name| Timeline::from_wal_file_name(&name).ok()))
}

/// From a history file: a timeline, the position where it was left, and a remark, separated by tabs.
///
/// <https://www.postgresql.org/docs/15/continuous-archiving.html#BACKUP-TIMELINES>
fn timelines_left(history: &str) -> Vec<(Timeline, Lsn)> {
    let lines = history.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        Some((Timeline(fields.next()?.parse().ok()?), fields.next()?.parse().ok()?))
    });
    lines.collect()
}

/// Can the replica go on from what the source has?
fn judge(source: &SourceView, replica: ReplicaView) -> Link {
    if replica.system_id.is_some_and(|own| own != source.system_id) {
        return Link::Broken("its source is another cluster than the one it was copied from".to_owned());
    }
    if source.slot.as_deref() == Some("lost") {
        return Link::Broken("its slot on the source was invalidated: it was behind for too long".to_owned());
    }
    if !source.is_streaming {
        if source.end < replica.end {
            return Link::Broken(format!("it has {}, and its source ends at {}", replica.end, source.end));
        }
        if source.oldest_segment.is_some_and(|oldest| oldest > segment(replica.end)) {
            return Link::Broken(format!("its source has no WAL from {} on any more", replica.end));
        }
        let fork = source.left.iter().find(|(timeline, _)| Some(*timeline) == replica.timeline);
        if let Some((timeline, fork)) = fork
            && *fork < replica.end
        {
            return Link::Broken(format!(
                "it has {} of timeline {timeline}, which its source left at {fork}",
                replica.end
            ));
        }
    }
    if source.slot.is_some() { Link::Sound } else { Link::NoSlot }
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

/// Removes slots of replicas that are gone, as one is that was deleted while its source did not answer.
pub(super) async fn drop_unused_slots(source: &Session, used: &[String]) -> Result<(), DatabaseError> {
    // Physical ones are the lab's: on RDS, and here, nobody else may make them.
    const DROP: &str = "select pg_drop_replication_slot(slot_name) from pg_replication_slots \
        where slot_type = 'physical' and not temporary and not active and slot_name <> all ($1::text[])";
    source.ask("remove unused slots", source.client().query(DROP, &[&used])).await.map(|_| ())
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
        owner: files.owner(),
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

    fn source() -> SourceView {
        SourceView {
            system_id: SystemId(1),
            end: Lsn(0x0500_0000),
            slot: Some("reserved".to_owned()),
            is_streaming: false,
            oldest_segment: Some(3),
            left: vec![(Timeline(1), Lsn(0x0400_0000))],
        }
    }

    fn replica(timeline: u32, end: u64) -> ReplicaView {
        ReplicaView { system_id: Some(SystemId(1)), end: Lsn(end), timeline: Some(Timeline(timeline)) }
    }

    #[test]
    fn a_replica_goes_on_from_what_its_source_still_has() {
        assert_eq!(judge(&source(), replica(2, 0x0500_0000)), Link::Sound);
        assert_eq!(judge(&source(), replica(1, 0x0400_0000)), Link::Sound, "it had not passed the fork");
        assert_eq!(judge(&SourceView { slot: None, ..source() }, replica(2, 0x0500_0000)), Link::NoSlot);
        let streaming = SourceView { is_streaming: true, ..source() };
        assert_eq!(judge(&streaming, replica(1, 0x0600_0000)), Link::Sound, "who streams has what it needs");
    }

    #[test]
    fn a_replica_that_can_never_catch_up_is_told_why() {
        for (source, replica, reason) in [
            (SourceView { system_id: SystemId(2), ..source() }, replica(2, 0x0500_0000), "another cluster"),
            (
                SourceView { slot: Some("lost".to_owned()), ..source() },
                replica(2, 0x0500_0000),
                "invalidated",
            ),
            (source(), replica(2, 0x0500_0001), "its source ends at 0/5000000"),
            (source(), replica(2, 0x0200_0000), "no WAL from 0/2000000"),
            (source(), replica(1, 0x0400_0001), "of timeline 1, which its source left at 0/4000000"),
        ] {
            let Link::Broken(found) = judge(&source, replica) else { panic!("{reason}") };
            assert!(found.contains(reason), "{found}");
        }
    }

    #[test]
    fn a_standby_starts_with_no_less_than_its_log_says() {
        let said = "pg_control version number:            1300\n\
            max_connections setting:              300\nmax_worker_processes setting:         8\n\
            max_prepared_xacts setting:           5\nmax_locks_per_xact setting:           64\n";
        let group = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let smaller = group(&[("max_connections", "250"), ("work_mem", "4096")]);
        let expected =
            group(&[("max_connections", "300"), ("max_prepared_transactions", "5"), ("work_mem", "4096")]);
        assert_eq!(startable(&smaller, said), expected);
        let larger = group(&[("max_connections", "400"), ("max_prepared_transactions", "5")]);
        assert_eq!(startable(&larger, said), larger);
        assert_eq!(startable(&smaller, "nonsense"), smaller);
    }

    #[test]
    fn history_files_are_understood() {
        let history = "1\t0/3000060\tno recovery target specified\n\n2\t0/5000000\tafter\n";
        assert_eq!(
            timelines_left(history),
            [(Timeline(1), Lsn(0x0300_0060)), (Timeline(2), Lsn(0x0500_0000))]
        );
    }

    #[test]
    fn names_of_wal_files_are_compared_with_positions() {
        assert_eq!(segment_number("0000000000000003"), Some(segment(Lsn(0x0300_0028))));
        assert_eq!(segment_number("00000001000000FF"), Some(segment(Lsn(0x1_FF00_0000))));
        assert_eq!(segment_number("0000000200000000"), Some(segment(Lsn(0x2_0000_0000))));
        assert_eq!(segment_number("nonsense"), None);
    }
}
