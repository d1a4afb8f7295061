//! The controllers: each looks at what is known and makes its kind of part match, again and again, from whatever state.
//!
//! A controller is woken by a change of the world, by its parts, and by time, so that what was changed by hand is put
//! right. It writes on the board how its parts fare. None waits for another in its code: it reads on the board whether
//! what it builds on is there, and comes back.
//!
//! - [`network`]: namespaces, links, routes, filters
//! - [`internet`]: the registry, and the port of this machine that leads into the lab
//! - [`dns`]: the DNS servers
//! - [`log_groups`]: where logs go
//! - [`log_exports`]: logs of databases, to there
//! - [`databases`], [`load_balancers`], [`services`], [`snapshots`]: parts by that name
//! - [`housekeeping`]: what is kept on the disk and needed no more

pub mod databases;
pub mod dns;
pub mod housekeeping;
pub mod internet;
pub mod load_balancers;
pub mod log_exports;
pub mod log_groups;
pub mod network;
pub mod services;
pub mod snapshots;

use crate::{
    board::{Board, Condition, part},
    database::Databases,
    dns::DnsServers,
    events::Events,
    lab::Lab,
    load_balancer::LoadBalancers,
    publish::PublishedPorts,
    store::Store,
    task::tasks::Tasks,
    timeouts,
    tls::Authority,
    world::World,
};
use anyhow::Context as _;
use std::{path::Path, sync::Arc, time::Duration};
use terraform_provider_aws::schema::Catalogue;
use tokio::{
    sync::{RwLock, watch},
    task::{JoinError, JoinSet},
};

/// What controllers share.
#[derive(Debug)]
pub struct Context {
    /// Which lab.
    pub lab: Lab,
    /// What is known.
    pub world: Arc<World>,
    /// How the parts fare.
    pub board: Arc<Board>,
    /// What happens.
    pub events: Arc<Events>,
    /// The lab's certificates.
    pub authority: Authority,
    /// Database instances.
    pub databases: Databases,
    /// Tasks.
    pub tasks: Tasks,
    /// Load balancers.
    pub load_balancers: LoadBalancers,
    /// DNS servers.
    pub dns: DnsServers,
    /// Published ports.
    pub published: PublishedPorts,
    /// Whoever pushes to the registry shares it; whoever removes images from there has it alone.
    pub pushing: RwLock<()>,
}

impl Context {
    /// What is known of a lab and in it, from its store. `program` is this program, which its small servers run.
    pub fn open(lab: Lab, program: &Path) -> anyhow::Result<Context> {
        let store = Store::open(&lab.data("store"))?;
        Ok(Context {
            world: Arc::new(World::load(store, &Catalogue::aws())?),
            board: Arc::default(),
            events: Arc::new(Events::new(lab.data("store").join("events.jsonl"))),
            authority: Authority::of(&lab).context("make the lab's certificate authority")?,
            databases: Databases::new(&lab),
            tasks: Tasks::new(&lab).context("take over the tasks")?,
            load_balancers: LoadBalancers::new(&lab),
            dns: DnsServers::new(&lab, program),
            published: PublishedPorts::new(&lab, program),
            pushing: RwLock::default(),
            lab,
        })
    }

    /// Writes how a part fares, and tells it where it is news.
    pub fn set(&self, part: &str, condition: Condition) {
        let sentence = match &condition {
            Condition::Ready(_) => "ready".to_owned(),
            Condition::Gone => "gone".to_owned(),
            Condition::Pending(sentence) => sentence.clone(),
            Condition::Failed(_, sentence) => format!("failed: {sentence}"),
        };
        if self.board.set(part, condition) {
            self.tell(part, &sentence);
        }
    }

    /// Tells what happens to a part.
    fn tell(&self, part: &str, sentence: &str) {
        self.events.tell(&self.board.shown(part), sentence);
    }

    /// Says that a part waits for something else, unless it is ready as of an earlier generation: then it still serves.
    fn wait_for(&self, part: &str, what: &str) {
        if !matches!(self.board.get(part), Some(Condition::Ready(_))) {
            self.set(part, Condition::Pending(format!("waits for {what}")));
        }
    }

    /// Is the network as it was wanted at this generation?
    fn has_network(&self, generation: u64) -> bool {
        matches!(self.board.get(part::NETWORK), Some(Condition::Ready(reached)) if reached >= generation)
    }
}

/// What wakes a controller.
#[derive(Debug)]
struct Wake {
    world: watch::Receiver<u64>,
    parts: Option<watch::Receiver<u64>>,
    board: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
}

impl Wake {
    fn new(context: &Context, parts: Option<watch::Receiver<u64>>, stop: watch::Receiver<bool>) -> Wake {
        Wake { world: context.world.watch(), parts, board: context.board.watch(), stop }
    }

    /// What has happened so far needs no waking: the pass that begins now sees it. Says whether the parts have changed
    /// since the last pass was woken.
    fn begin(&mut self) -> bool {
        self.world.borrow_and_update();
        self.board.borrow_and_update();
        self.parts.as_mut().is_some_and(|parts| parts.borrow_and_update().has_changed())
    }

    /// Waits for a change of the world or of the parts, or for `limit`; `None` when it is time to end.
    async fn wait(&mut self, limit: Duration) -> Option<Cause> {
        self.wait_for(limit, false).await
    }

    /// The same, and for a change on the board, for who builds on another's part.
    async fn wait_with_board(&mut self, limit: Duration) -> Option<Cause> {
        self.wait_for(limit, true).await
    }

    async fn wait_for(&mut self, limit: Duration, board: bool) -> Option<Cause> {
        let parts = async {
            match &mut self.parts {
                Some(parts) => {
                    if parts.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => None,
            () = parts => Some(Cause::Parts),
            _ = self.world.changed() => Some(Cause::World),
            _ = self.board.changed(), if board => Some(Cause::Board),
            () = tokio::time::sleep(limit) => Some(Cause::Time),
        }
    }
}

/// Why a controller was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// What is known has changed.
    World,
    /// A part of its own has changed.
    Parts,
    /// Another's part has changed.
    Board,
    /// It is time to look again.
    Time,
}

/// Runs every controller until `stop` turns true. One that panics ends them all: without it the lab would look whole.
pub async fn run(context: Arc<Context>, port: u16, stop: watch::Receiver<bool>) -> Result<(), JoinError> {
    let mut running = JoinSet::new();
    running.spawn(network::run(Arc::clone(&context), stop.clone()));
    running.spawn(internet::run(Arc::clone(&context), port, stop.clone()));
    running.spawn(dns::run(Arc::clone(&context), stop.clone()));
    running.spawn(log_groups::run(Arc::clone(&context), stop.clone()));
    running.spawn(log_exports::run(Arc::clone(&context), stop.clone()));
    running.spawn(databases::run(Arc::clone(&context), stop.clone()));
    running.spawn(snapshots::run(Arc::clone(&context), stop.clone()));
    running.spawn(load_balancers::run(Arc::clone(&context), stop.clone()));
    running.spawn(housekeeping::run(Arc::clone(&context), stop.clone()));
    running.spawn(services::run(context, stop));
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    Ok(())
}

/// How long a controller sleeps when all is well, and when something has failed.
fn pause(well: bool) -> Duration {
    if well { timeouts::RESYNC } else { timeouts::RETRY }
}
