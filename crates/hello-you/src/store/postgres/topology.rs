//! Which host is written to and which are read from: a pure decision over what was observed.
//!
//! Fencing rests on two numbers. The *system identifier* says which database cluster a host belongs to. The *timeline*
//! goes up by one at each promotion and is the fencing token: a host on a lower timeline than the highest one seen is
//! an old primary, or a replica of one, and is neither written to nor read from.

use std::time::Duration;

use hello_pg::{Lsn, NodeStatus, Role, SystemId, Timeline};

use crate::store::{ReadSource, WriteTarget};

/// A host by its place in the settings: those of this region first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct HostId(pub(super) usize);

/// Where a host is, seen from this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nearness {
    /// In this region (`DB_HOSTS`).
    Near,
    /// In another region (`DB_FAR_HOSTS`).
    Far,
}

/// What is known of one host.
#[derive(Debug, Clone)]
pub(super) struct HostView {
    pub(super) nearness: Nearness,
    pub(super) state: HostState,
}

/// Whether a host answers.
#[derive(Debug, Clone)]
pub(super) enum HostState {
    /// Not asked yet.
    Unknown,
    /// The last attempt failed.
    Unreachable,
    /// It answered.
    Answering(Report),
}

/// What a host says of itself.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// What PostgreSQL says.
    pub(super) status: NodeStatus,
    /// The highest timeline that its `epoch` table has for its system identifier.
    pub(super) recorded_timeline: Option<Timeline>,
    /// How far a standby is behind, in time.
    pub(super) lag: Option<Duration>,
    /// Whether the tables are there.
    pub(super) has_schema: bool,
}

impl Report {
    /// The timeline this host is on.
    ///
    /// A standby that followed its upstream through a promotion shows the old number in its control file until its next
    /// restart point. Once it has replayed the row that the new primary wrote into `epoch`, it is on that timeline.
    fn timeline(&self) -> Option<Timeline> {
        match self.status.role {
            Role::Primary => self.status.timeline,
            Role::Standby => self.status.timeline.max(self.recorded_timeline),
        }
    }
}

/// What is remembered between decisions: the database in use and the highest timeline seen of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Epoch {
    pub(super) system_id: Option<SystemId>,
    pub(super) timeline: Option<Timeline>,
}

impl Epoch {
    /// Takes in a timeline that was seen somewhere, if it is of the same database and higher.
    pub(super) fn raise(&mut self, system_id: SystemId, timeline: Timeline) {
        if self.system_id == Some(system_id) {
            self.timeline = self.timeline.max(Some(timeline));
        }
    }
}

/// Where reads and writes go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Topology {
    /// Whether each host has been asked once; until then nothing is decided against it.
    pub(super) settled: bool,
    pub(super) epoch: Epoch,
    pub(super) writer: Option<HostId>,
    pub(super) writes: Option<WriteTarget>,
    /// Hosts to read from, in the order in which they are tried.
    pub(super) readers: Vec<Reader>,
    /// How many of `readers`, from the first, share the load; the others are fall-backs.
    pub(super) preferred: usize,
    pub(super) reads: Option<ReadSource>,
    pub(super) fenced: bool,
    /// The lag of the standby in this region that is furthest behind.
    pub(super) lag: Option<Duration>,
    pub(super) reasons: Vec<&'static str>,
}

/// A host that may be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) host: HostId,
    /// How far a standby had replayed when it was last asked; `None` on the primary, which has everything.
    pub(super) replayed: Option<Lsn>,
}

impl Reader {
    /// Whether it has replayed that for sure; the primary has everything.
    pub(super) fn is_known_to_have(&self, at_least: Option<Lsn>) -> bool {
        self.replayed.is_none_or(|replayed| at_least <= Some(replayed))
    }
}

pub(super) const TWO_SYSTEMS: &str = "hosts with different system identifiers answer; none is written to";
pub(super) const TWO_WRITERS: &str = "two hosts accept writes on the same timeline; none is written to";
pub(super) const FENCED: &str = "a host on an older timeline is fenced";
pub(super) const FOREIGN: &str = "a host of another database cluster is left aside";
pub(super) const NO_WRITER: &str = "no host accepts writes";
pub(super) const NO_READER: &str = "no host can be read from";
pub(super) const READ_ONLY: &str = "the primary is set read-only";
pub(super) const NO_SCHEMA: &str = "the schema is not there yet";
pub(super) const UNKNOWN_TIMELINE: &str = "a host does not tell its timeline and is left aside";

/// A host that may be used: of the database in use and on its highest timeline.
struct Usable<'a> {
    host: HostId,
    nearness: Nearness,
    report: &'a Report,
}

/// Decides anew. `max_lag`: a standby further behind is read from only when nothing of its region is better.
pub(super) fn decide(hosts: &[HostView], memory: Epoch, max_lag: Duration) -> Topology {
    let mut topology = Topology {
        settled: hosts.iter().all(|host| !matches!(host.state, HostState::Unknown)),
        ..Topology::default()
    };
    let answering: Vec<(HostId, Nearness, &Report)> = hosts
        .iter()
        .enumerate()
        .filter_map(|(index, host)| match &host.state {
            HostState::Answering(report) => Some((HostId(index), host.nearness, report)),
            HostState::Unknown | HostState::Unreachable => None,
        })
        .collect();

    let (mut epoch, several_systems) = choose_system(&answering, memory);
    for (_, _, report) in &answering {
        for timeline in [report.status.timeline, report.recorded_timeline].into_iter().flatten() {
            if let Some(system_id) = report.status.system_id {
                epoch.raise(system_id, timeline);
            }
        }
    }
    // Which database is ours is decided once every host was asked, and only if they agree; until then it is not
    // remembered, and nothing is written.
    let undecided = several_systems || (!topology.settled && memory.system_id.is_none());
    topology.epoch = if undecided { memory } else { epoch };
    if several_systems {
        topology.reason(TWO_SYSTEMS);
    }

    let usable = topology.usable_hosts(&answering, epoch);
    topology.choose_writer(&usable, undecided);
    topology.choose_readers(&usable, max_lag);
    let a_near_host_is_fenced = answering
        .iter()
        .any(|(_, nearness, report)| *nearness == Nearness::Near && report.timeline() < epoch.timeline);
    topology.fenced = a_near_host_is_fenced && !usable.iter().any(|host| host.nearness == Nearness::Near);
    topology
}

/// The database to use, and whether it is uncertain which one that is.
///
/// A remembered one stays as long as any host that answers has it. Otherwise the hosts that answer must agree.
fn choose_system(answering: &[(HostId, Nearness, &Report)], memory: Epoch) -> (Epoch, bool) {
    let mut seen = answering.iter().filter_map(|(_, _, report)| report.status.system_id);
    if memory.system_id.is_some()
        && (answering.is_empty() || seen.clone().any(|id| Some(id) == memory.system_id))
    {
        return (memory, false);
    }
    let Some(first) = seen.next() else {
        return (memory, false);
    };
    let several = seen.any(|id| id != first);
    // Without a remembered system a timeline in memory is the one the settings demand at least; with a new system the
    // old one's numbers mean nothing.
    let timeline = if memory.system_id.is_none() { memory.timeline } else { None };
    (Epoch { system_id: Some(first), timeline }, several)
}

impl Topology {
    /// The host as one that may be read from, if it still is.
    pub(super) fn reader(&self, host: HostId) -> Option<&Reader> {
        self.readers.iter().find(|reader| reader.host == host)
    }

    /// Whether all hosts that share the load of reads are known to have replayed that.
    pub(super) fn preferred_have_replayed(&self, at_least: Option<Lsn>) -> bool {
        self.readers.iter().take(self.preferred).all(|reader| reader.is_known_to_have(at_least))
    }

    fn reason(&mut self, reason: &'static str) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    fn usable_hosts<'a>(
        &mut self,
        answering: &[(HostId, Nearness, &'a Report)],
        epoch: Epoch,
    ) -> Vec<Usable<'a>> {
        let mut usable = Vec::new();
        for &(host, nearness, report) in answering {
            let of_another_system =
                report.status.system_id.is_some_and(|id| epoch.system_id.is_some_and(|used| id != used));
            if of_another_system {
                self.reason(FOREIGN);
            } else if report.timeline().is_none() {
                self.reason(UNKNOWN_TIMELINE);
            } else if report.timeline() < epoch.timeline {
                self.reason(FENCED);
            } else {
                usable.push(Usable { host, nearness, report });
            }
        }
        usable
    }

    fn choose_writer(&mut self, usable: &[Usable<'_>], undecided: bool) {
        let primaries: Vec<&Usable<'_>> =
            usable.iter().filter(|host| host.report.status.role == Role::Primary).collect();
        match primaries[..] {
            _ if undecided => {}
            [] => self.reason(NO_WRITER),
            [primary] if primary.report.status.read_only => {
                self.reason(READ_ONLY);
                self.reason(NO_WRITER);
            }
            [primary] => {
                self.writer = Some(primary.host);
                self.writes = Some(match primary.nearness {
                    Nearness::Near => WriteTarget::Primary,
                    Nearness::Far => WriteTarget::Far,
                });
                if !primary.report.has_schema {
                    self.reason(NO_SCHEMA);
                }
            }
            // Two replicas that were promoted separately get the same number: nothing tells which one is right.
            [_, _, ..] => self.reason(TWO_WRITERS),
        }
    }

    fn choose_readers(&mut self, usable: &[Usable<'_>], max_lag: Duration) {
        let rank = |host: &Usable<'_>| {
            let standby = host.report.status.role == Role::Standby;
            let behind = standby && host.report.lag.is_none_or(|lag| lag > max_lag);
            match (host.nearness, standby, behind) {
                (Nearness::Near, true, false) => 0,
                (Nearness::Near, false, _) => 1,
                (Nearness::Near, true, true) => 2,
                (Nearness::Far, true, false) => 3,
                (Nearness::Far, false, _) => 4,
                (Nearness::Far, true, true) => 5,
            }
        };
        let mut ranked: Vec<(u8, &Usable<'_>)> =
            usable.iter().filter(|host| host.report.has_schema).map(|host| (rank(host), host)).collect();
        ranked.sort_by_key(|(rank, host)| (*rank, host.host));
        self.lag = usable
            .iter()
            .filter(|host| host.nearness == Nearness::Near && host.report.status.role == Role::Standby)
            .filter_map(|host| host.report.lag)
            .max();
        self.readers = ranked
            .iter()
            .map(|(_, host)| Reader {
                host: host.host,
                replayed: match host.report.status.role {
                    Role::Primary => None,
                    Role::Standby => Some(host.report.status.lsn),
                },
            })
            .collect();
        let Some((best, first)) = ranked.first() else {
            self.reason(NO_READER);
            return;
        };
        self.preferred = ranked.iter().take_while(|(rank, _)| rank == best).count();
        self.reads = Some(match (first.nearness, first.report.status.role) {
            (Nearness::Near, Role::Standby) => ReadSource::Replica,
            (Nearness::Near, Role::Primary) => ReadSource::Primary,
            (Nearness::Far, _) => ReadSource::Far,
        });
    }
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
