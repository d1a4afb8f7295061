//! Application load balancers as HAProxy in the public subnets.
//!
//! A load balancer has a node for each subnet: one HAProxy process in the namespace of that subnet's interface, as an
//! unprivileged user. Targets come and go through its admin socket; a change of listeners, rules, certificates or checks
//! is a new process that takes the sockets over. Requests need nothing of the daemon.
//!
//! - [`model`]: what a load balancer should be, and how its targets fare
//! - `config`, `rules`, `policy`: the model as an HAProxy configuration
//! - `admin`: the admin socket; `plan`: what to tell it
//! - `node`: the processes of a node
//!
//! What an ALB does and this does not is listed in `docs/LAB.md`.

mod admin;
mod config;
pub mod model;
mod node;
mod plan;
mod policy;
mod rules;

use crate::{
    files::{PASSING, gone, write_whole},
    lab::Lab,
    process::User,
    timeouts,
};
pub use node::NodeStatus;
pub use plan::Health;

use admin::Admin;
use model::LoadBalancer;
use node::NodeProcesses;
use plan::{Command, Draining, Plan};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    task::{JoinHandle, JoinSet},
};

/// Why a load balancer is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model asks for something that cannot be.
    #[error("the load balancer {id} cannot be built: {reason}")]
    Invalid {
        /// Load balancer.
        id: String,
        /// One sentence.
        reason: String,
    },
    /// HAProxy did not start.
    #[error("HAProxy of the load balancer {id} does not start at {address}: {said}")]
    Start {
        /// Load balancer.
        id: String,
        /// Its node.
        address: Ipv4Addr,
        /// What HAProxy said.
        said: String,
    },
    /// HAProxy refused a command.
    #[error("HAProxy of the load balancer {id} at {address} answered {answer:?} to {command:?}")]
    Refused {
        /// Load balancer.
        id: String,
        /// Its node.
        address: Ipv4Addr,
        /// What it was told.
        command: String,
        /// What it said.
        answer: String,
    },
    /// A file or process could not be dealt with.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl LoadBalancer {
    /// What it is known by in the lab: two regions may have a load balancer of the same name.
    pub fn id(&self) -> String {
        LoadBalancer::id_of(&self.region, &self.name)
    }

    /// What the load balancer of a region and a name is known by.
    pub fn id_of(region: &str, name: &str) -> String {
        format!("{region}.{name}")
    }
}

/// The load balancers of a lab.
#[derive(Debug)]
pub struct LoadBalancers {
    lab: Lab,
    balancers: Mutex<BTreeMap<String, Arc<Balancer>>>,
    changes: watch::Sender<u64>,
}

impl LoadBalancers {
    /// Those of this lab. Nothing is started or looked at before the first [`LoadBalancers::reconcile`].
    pub fn new(lab: &Lab) -> LoadBalancers {
        LoadBalancers { lab: lab.clone(), balancers: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Makes the load balancer what the model says. Does nothing where it is that already; goes on where it was
    /// interrupted.
    pub async fn reconcile(&self, model: &LoadBalancer) -> Result<(), Error> {
        let id = model.id();
        // Before the name is part of a path.
        if let Some(name) = config::unfit_name(model) {
            return Err(Error::Invalid { reason: format!("{name:?} is no name that AWS takes"), id });
        }
        let balancer = Arc::clone(locked(&self.balancers).entry(id.clone()).or_insert_with(|| {
            Arc::new_cyclic(|balancer| {
                Balancer::new(id.clone(), self.directory().join(&id), self.changes.clone(), balancer)
            })
        }));
        let mut work = balancer.work.lock().await;
        balancer.shape(&mut work, &self.lab, model).await?;
        // Registering takes two steps for what is new; what needs time is left to the watch.
        for _ in 0..3 {
            if !balancer.step(&mut work).await? {
                break;
            }
        }
        Ok(())
    }

    /// How the targets of a load balancer fare, by target group. `None` where nobody knows: it was not reconciled yet, or
    /// none of its nodes answers.
    pub fn health(&self, id: &str) -> Option<Health> {
        let balancer = locked(&self.balancers).get(id).map(Arc::clone)?;
        let health = locked(&balancer.health);
        health.clone()
    }

    /// The nodes of a load balancer with their processes.
    pub async fn nodes(&self, id: &str) -> Vec<NodeStatus> {
        let balancer = locked(&self.balancers).get(id).map(Arc::clone);
        match balancer {
            Some(balancer) => balancer.work.lock().await.nodes.iter().map(NodeProcesses::status).collect(),
            None => Vec::new(),
        }
    }

    /// A value that changes whenever the health of a target does, and when a process ends.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Ends a load balancer; one that is not there is no error.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let balancer = locked(&self.balancers).remove(id);
        let directory = self.directory().join(id);
        if let Some(balancer) = balancer {
            balancer.watch.abort();
            let mut work = balancer.work.lock().await;
            for node in std::mem::take(&mut work.nodes) {
                node.delete().await?;
            }
        }
        // Also those of an earlier daemon.
        for node in nodes_in(&directory)? {
            self.adopt(id, &node)?.delete().await?;
        }
        Ok(gone(fs::remove_dir_all(&directory))?)
    }

    /// Ends all load balancers, also those that only an earlier daemon knew; goes on after an error and gives all.
    pub async fn teardown(&self) -> Vec<Error> {
        let mut ids: BTreeSet<String> = locked(&self.balancers).keys().cloned().collect();
        ids.extend(
            fs::read_dir(self.directory())
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok()),
        );
        let mut errors = Vec::new();
        for id in ids {
            errors.extend(self.delete(&id).await.err());
        }
        errors.extend(gone(fs::remove_dir_all(self.directory())).err().map(Error::Io));
        errors
    }

    fn directory(&self) -> PathBuf {
        self.lab.run("load-balancers")
    }

    fn adopt(&self, id: &str, node: &model::Node) -> io::Result<NodeProcesses> {
        NodeProcesses::adopt(&self.lab, user()?, id, &self.directory().join(id), node, &self.changes)
    }
}

/// Whom the processes run as: the package's own user.
fn user() -> io::Result<User> {
    User::named("haproxy")
        .map_err(|error| io::Error::new(error.kind(), format!("{error}: install the package haproxy")))
}

/// Nodes that have files, by address; their namespaces are not known and not needed to end them.
fn nodes_in(directory: &std::path::Path) -> io::Result<Vec<model::Node>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let addresses = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(addresses.map(|address| model::Node { namespace: String::new(), address }).collect())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is replaced as a whole, so a panic leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A load balancer at work.
#[derive(Debug)]
struct Balancer {
    id: String,
    directory: PathBuf,
    work: AsyncMutex<Work>,
    /// `None` as long as no node has said.
    health: Mutex<Option<Health>>,
    changes: watch::Sender<u64>,
    watch: JoinHandle<()>,
}

/// What one at a time may change.
#[derive(Debug, Default)]
struct Work {
    model: Option<LoadBalancer>,
    nodes: Vec<NodeProcesses>,
    /// Since when a target is draining, in milliseconds since 1970; by group and server.
    draining: BTreeMap<String, u64>,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Balancer {
    fn new(id: String, directory: PathBuf, changes: watch::Sender<u64>, own: &Weak<Balancer>) -> Balancer {
        let watched = Weak::clone(own);
        let draining = fs::read(directory.join("draining"))
            .ok()
            .and_then(|content| serde_json::from_slice(&content).ok())
            .unwrap_or_default();
        Balancer {
            id,
            directory,
            work: AsyncMutex::new(Work { draining, ..Work::default() }),
            health: Mutex::default(),
            changes,
            watch: tokio::spawn(watch_targets(watched)),
        }
    }

    /// Nodes, processes and their configuration; all nodes at once. What is cut off in between is adopted the next time.
    async fn shape(&self, work: &mut Work, lab: &Lab, model: &LoadBalancer) -> Result<(), Error> {
        // Nodes of an earlier model, or of an earlier daemon, that are no more.
        let (keep, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut work.nodes).into_iter().partition(|node| model.nodes.contains(&node.node));
        work.nodes = keep;
        for node in gone {
            node.delete().await?;
        }
        let user = user()?;
        for node in nodes_in(&self.directory)? {
            if !model.nodes.iter().any(|wanted| wanted.address == node.address) {
                NodeProcesses::adopt(lab, user, &self.id, &self.directory, &node, &self.changes)?
                    .delete()
                    .await?;
            }
        }
        for node in &model.nodes {
            if !work.nodes.iter().any(|known| known.node == *node) {
                let adopted =
                    NodeProcesses::adopt(lab, user, &self.id, &self.directory, node, &self.changes)?;
                work.nodes.push(adopted);
            }
        }
        let shared = Arc::new(model.clone());
        let mut starting = JoinSet::new();
        for mut node in std::mem::take(&mut work.nodes) {
            let model = Arc::clone(&shared);
            starting.spawn(async move {
                let ensured = node.ensure(&model).await;
                (node, ensured)
            });
        }
        let mut started = starting.join_all().await;
        started.sort_by_key(|(node, _)| model.nodes.iter().position(|wanted| *wanted == node.node));
        let mut error = None;
        for (node, ensured) in started {
            work.nodes.push(node);
            error = error.or(ensured.err());
        }
        if let Some(error) = error {
            return Err(error);
        }
        work.model = Some(model.clone());
        Ok(())
    }

    /// Looks at every node and tells it what is missing. Says whether there was anything to tell.
    async fn step(&self, work: &mut Work) -> Result<bool, Error> {
        let Some(model) = work.model.clone() else { return Ok(false) };
        let expired = self.expired(work, &model)?;
        let mut told = false;
        let mut health = Vec::new();
        let mut error = None;
        for node in &work.nodes {
            let Some(admin) = node.admin() else {
                health.push(None);
                continue;
            };
            let draining = Draining { expired: expired.clone(), older_process: node.older_process() };
            let Ok(servers) = admin.servers().await else {
                health.push(None);
                continue;
            };
            let Plan { commands, health: here } = plan::plan(&model, &servers, &draining);
            health.push(Some(here));
            told |= !commands.is_empty();
            // One node in trouble does not keep the others from their work.
            if let Err(refused) = self.tell(&admin, node.node.address, commands).await {
                error = Some(refused);
            }
        }
        self.publish(plan::together(health));
        error.map_or(Ok(told), Err)
    }

    async fn tell(&self, admin: &Admin, address: Ipv4Addr, commands: Vec<Command>) -> Result<(), Error> {
        for command in commands {
            match command {
                Command::May(command) => {
                    admin.ask(&command).await?;
                }
                Command::Must(command, expected) => {
                    let answer = admin.ask(&command).await?;
                    if answer.trim() != expected {
                        let (id, answer) = (self.id.clone(), answer.trim().to_owned());
                        return Err(Error::Refused { id, address, command, answer });
                    }
                }
            }
        }
        Ok(())
    }

    /// Which draining targets have no time left. When each began is kept in a file: a restarted daemon goes on counting.
    fn expired(&self, work: &mut Work, model: &LoadBalancer) -> io::Result<BTreeSet<(String, String)>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let (mut draining, mut expired) = (BTreeMap::new(), BTreeSet::new());
        for group in model.target_groups.values() {
            for target in group.targets.iter().filter(|target| target.draining) {
                let server = config::server(target);
                let key = format!("{}/{server}", group.name);
                let since = work.draining.get(&key).copied().unwrap_or(now);
                if u128::from(now.saturating_sub(since)) >= group.deregistration_delay.as_millis() {
                    expired.insert((group.name.clone(), server));
                }
                draining.insert(key, since);
            }
        }
        if draining != work.draining {
            write_whole(&self.directory.join("draining"), &serde_json::to_vec(&draining)?, PASSING)?;
            work.draining = draining;
        }
        Ok(expired)
    }

    fn publish(&self, health: Option<Health>) {
        let mut known = locked(&self.health);
        if *known != health {
            *known = health;
            drop(known);
            self.changes.send_modify(|change| *change += 1);
        }
    }

    /// Until when the targets are looked at again: sooner while one is on its way.
    fn pause(&self) -> Duration {
        let under_way = |health: &model::TargetHealth| {
            matches!(health, model::TargetHealth::Initial | model::TargetHealth::Draining)
        };
        let health = locked(&self.health);
        if health.iter().flat_map(BTreeMap::values).flat_map(BTreeMap::values).any(under_way) {
            timeouts::TARGETS_UNDER_WAY
        } else {
            timeouts::TARGETS
        }
    }
}

/// Follows the health of targets, and takes them from one state to the next.
async fn watch_targets(balancer: Weak<Balancer>) {
    let mut last = None;
    loop {
        let pause = balancer.upgrade().map_or(timeouts::TARGETS, |balancer| balancer.pause());
        tokio::time::sleep(pause).await;
        let Some(balancer) = balancer.upgrade() else { return };
        let mut work = balancer.work.lock().await;
        let failed = balancer.step(&mut work).await.err().map(|error| error.to_string());
        // Once for each trouble, not at every look.
        if let Some(error) = failed.as_ref().filter(|_| failed != last) {
            tracing::warn!(load_balancer = balancer.id, "failed to look after the targets: {error}");
        }
        last = failed;
    }
}
