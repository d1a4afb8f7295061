//! What is known of the database hosts, shared by all threads: the monitors write it, the lanes read it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hello_pg::{SystemId, Timeline};
use tokio::sync::{Notify, watch};
use tokio_postgres::Client;

use super::connect::Connector;
use super::topology::{Epoch, HostId, HostState, HostView, Nearness, Reader, Report, Topology, decide};
use crate::store::Condition;
use crate::telemetry::{HostRole, StoreMetrics};

/// The hosts and what was decided about them.
#[derive(Debug)]
pub(super) struct Cluster {
    connector: Connector,
    max_lag: Duration,
    metrics: StoreMetrics,
    known: Mutex<Known>,
    topology: watch::Sender<Arc<Topology>>,
    hosts: Vec<Host>,
    writes: Mutex<WriteHealth>,
}

#[derive(Debug)]
struct Known {
    views: Vec<HostView>,
    memory: Epoch,
}

#[derive(Debug, Default)]
struct Host {
    /// Asks its monitor to look again now.
    look_again: Notify,
    /// The monitor's connection while the host answers; rare requests use it too.
    client: Mutex<Option<Arc<Client>>>,
    /// When a request last succeeded.
    served_at: Mutex<Option<Instant>>,
}

/// Since when writes fail. They work as long as a writer is there and its last heartbeat or write succeeded.
#[derive(Debug)]
struct WriteHealth {
    failing_since: Option<Instant>,
}

impl Cluster {
    pub(super) fn new(
        connector: Connector,
        nearness: &[Nearness],
        demanded: Option<Timeline>,
        max_lag: Duration,
        metrics: StoreMetrics,
    ) -> Self {
        let views = nearness
            .iter()
            .map(|&nearness| HostView { nearness, state: HostState::Unknown })
            .collect::<Vec<_>>();
        Self {
            connector,
            max_lag,
            metrics,
            hosts: views.iter().map(|_| Host::default()).collect(),
            known: Mutex::new(Known { views, memory: Epoch { system_id: None, timeline: demanded } }),
            topology: watch::Sender::new(Arc::new(Topology::default())),
            writes: Mutex::new(WriteHealth { failing_since: Some(Instant::now()) }),
        }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(super) fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    pub(super) fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// What was decided last.
    pub(super) fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.topology.borrow())
    }

    /// Waits until each host has been asked once.
    pub(super) async fn settled(&self) {
        let mut topology = self.topology.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = topology.wait_for(|topology| topology.settled).await;
    }

    /// A host answered.
    pub(super) fn host_answered(&self, host: HostId, report: Report) {
        self.update(host, HostState::Answering(report));
    }

    /// A host did not answer its monitor.
    pub(super) fn host_failed(&self, host: HostId) {
        *lock(&self.hosts[host.0].client) = None;
        self.update(host, HostState::Unreachable);
    }

    /// A request failed on a host: its monitor looks at once. What the monitor finds decides; a request alone may have
    /// failed for a reason of its own.
    pub(super) fn suspect(&self, host: HostId) {
        self.hosts[host.0].look_again.notify_one();
    }

    /// A request succeeded on a host.
    pub(super) fn host_served(&self, host: HostId) {
        *lock(&self.hosts[host.0].served_at) = Some(Instant::now());
    }

    /// Whether a request succeeded on a host since then.
    pub(super) fn has_served_since(&self, host: HostId, then: Instant) -> bool {
        lock(&self.hosts[host.0].served_at).is_some_and(|at| at >= then)
    }

    /// Waits until somebody suspects the host.
    pub(super) async fn suspected(&self, host: HostId) {
        self.hosts[host.0].look_again.notified().await;
    }

    /// A timeline was seen outside the database, in a client's token or by a witness.
    pub(super) fn timeline_seen(&self, system_id: SystemId, timeline: Timeline) {
        let mut known = lock(&self.known);
        let mut memory = known.memory;
        memory.raise(system_id, timeline);
        if memory != known.memory {
            known.memory = memory;
            self.decide_anew(&mut known);
        }
    }

    fn update(&self, host: HostId, state: HostState) {
        let mut known = lock(&self.known);
        known.views[host.0].state = state;
        self.decide_anew(&mut known);
    }

    /// Runs under the lock, so that decisions are published in the order in which they were made.
    fn decide_anew(&self, known: &mut Known) {
        let topology = decide(&known.views, known.memory, self.max_lag);
        known.memory = topology.epoch;
        if topology.writer.is_none() {
            self.write_failed();
        }
        self.metrics.topology(topology.epoch.timeline, topology.lag);
        self.topology.send_if_modified(|published| {
            if **published == topology {
                return false;
            }
            announce(published, &topology);
            *published = Arc::new(topology);
            true
        });
    }

    /// The monitor's connection to a host, if it answers.
    pub(super) fn client(&self, host: HostId) -> Option<Arc<Client>> {
        lock(&self.hosts[host.0].client).clone()
    }

    /// Makes the monitor's connection available.
    pub(super) fn set_client(&self, host: HostId, client: Arc<Client>) {
        *lock(&self.hosts[host.0].client) = Some(client);
    }

    /// A write or a heartbeat was stored.
    pub(super) fn write_succeeded(&self) {
        lock(&self.writes).failing_since = None;
    }

    /// A heartbeat failed, or there is no host to write to.
    pub(super) fn write_failed(&self) {
        lock(&self.writes).failing_since.get_or_insert_with(Instant::now);
    }

    /// Brings the gauges of the connections up to date.
    fn count_connections(&self, topology: &Topology) {
        let mut counts = [(HostRole::Primary, 0), (HostRole::Replica, 0), (HostRole::Other, 0)];
        for host in (0..self.hosts.len()).map(HostId) {
            let role = match topology.reader(host) {
                Some(Reader { replayed: None, .. }) => 0,
                Some(Reader { replayed: Some(_), .. }) => 1,
                None => 2,
            };
            counts[role].1 += self.connector.open_connections(host);
        }
        for (role, count) in counts {
            self.metrics.connections(role, count);
        }
    }

    pub(super) fn condition(&self) -> Condition {
        let topology = self.topology();
        self.count_connections(&topology);
        let failing_since = lock(&self.writes).failing_since;
        Condition {
            reads: topology.reads,
            writes: topology.writes,
            writes_failing_for: failing_since.map(|since| since.elapsed()),
            timeline: topology.epoch.timeline,
            fenced: topology.fenced,
            reasons: topology.reasons.clone(),
        }
    }
}

/// Logs what changed, once per change.
fn announce(before: &Topology, after: &Topology) {
    let changed = (before.writer, before.reads, before.fenced, before.epoch, &before.reasons)
        != (after.writer, after.reads, after.fenced, after.epoch, &after.reasons);
    if !changed || !after.settled {
        return;
    }
    tracing::info!(
        writer = after.writer.map(|host| host.0),
        reads = ?after.reads,
        timeline = after.epoch.timeline.map(|timeline| timeline.0),
        fenced = after.fenced,
        reasons = ?after.reasons,
        "the database hosts are used anew"
    );
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is complete by itself; a panic elsewhere leaves them consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
