//! RDS instances as PostgreSQL clusters.
//!
//! Each instance is a server of its own: an unprivileged process in the instance's namespace, its data on a file system
//! of the size that was allocated, TLS from the lab's CA, the parameters of its group. [`Databases::reconcile`] makes one
//! as its model says, from whatever state it is in: it looks at everything, does the first thing that is not as it should
//! be, and looks again, until nothing is left to do. A daemon may be killed at any moment; the servers go on, and the
//! next daemon's first look finds them. Instances and snapshots are found by region and name, their [`key`].
//!
//! - [`model`]: what an instance should be
//! - `plan`: the next step, from what is known; pure
//! - `work`: looking, in `work::observe`, and doing a step
//! - `configuration`, [`parameters`]: the server's files, and RDS's parameters; pure
//! - `files`: where everything lies, and what is remembered
//! - `server`, `tool`, `session`: processes, programs that end, the lab's own sessions
//! - `installation`, `storage`, `roles`, `password`, `replication`, `snapshot`, `faults`, `groups`: one thing each
//!
//! What it is not: a failure detector. A server that does not answer is reported and left alone, since that may be a drill.

pub mod error;
pub mod model;
pub mod parameters;

mod configuration;
mod faults;
mod files;
mod groups;
mod installation;
mod password;
mod plan;
mod replication;
mod roles;
mod server;
mod session;
mod shared;
mod snapshot;
mod storage;
mod tool;
mod work;

pub use self::{
    error::DatabaseError,
    files::{STARTUP_LOG, Storage, key},
    model::{Instance, Status},
    snapshot::Snapshot,
    storage::leave_volumes,
};

use self::{
    files::{Files, ServerUser, State, checked_name, remove_directory},
    plan::{Next, next},
    server::Ending,
    session::Session,
    shared::Shared,
    storage::Volume,
    work::{Progress, Work, accepts, drop_slots},
};
use crate::{lab::Lab, network::netns::Namespace, timeouts};
use hello_pg::NodeStatus;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Instant};
use tokio::sync::{oneshot, watch};

/// More steps than the longest way from nothing to available, twice: a plan that goes in circles ends as an error.
const MAX_STEPS: usize = 32;

/// The database instances of a lab. Clones share everything.
#[derive(Clone, Debug)]
pub struct Databases {
    shared: Arc<Shared>,
}

/// A look at an instance, for those who wait for its end: see [`Databases::begin_look`].
#[derive(Debug)]
pub struct Look {
    _curious: Vec<oneshot::Sender<()>>,
}

/// An instance as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// What it is doing.
    pub status: Status,
    /// What its server reports of itself: role, timeline, position. `None` when it does not answer.
    pub node: Option<NodeStatus>,
    /// Parameters that wait for a reboot. RDS then shows the group as `pending-reboot`, else as `in-sync`.
    pub pending_reboot: Vec<String>,
    /// Parameters that are recorded and not modelled.
    pub recorded: Vec<String>,
    /// What bounds its storage; `None` before it is made.
    pub storage: Option<Storage>,
}

impl Databases {
    /// Those of this lab. Nothing is made or looked at yet.
    pub fn new(lab: &Lab) -> Databases {
        Databases { shared: Arc::new(Shared::new(lab)) }
    }

    /// Makes an instance as it should be, whatever it is now, and says what it is then.
    ///
    /// [`Status::Creating`] means that it waits for its source; [`Status::Failed`] and [`Status::StorageFull`] that
    /// nothing more can be done for it now. Called again, it goes on from there. An error means that what is wanted cannot
    /// be.
    pub async fn reconcile(&self, instance: &Instance) -> Result<Status, DatabaseError> {
        let _alone = self.shared.lock(&instance.key(), "made as it should be").await;
        let mut work = Work::begin(&self.shared, instance).await?;
        let mut steps = Vec::new();
        while steps.len() < MAX_STEPS {
            let (facts, session) = work.observe().await?;
            let step = match next(&facts) {
                Next::Do(step) => step,
                Next::Rest(status) => {
                    work.tidy(session.filter(|_| status == Status::Available)).await?;
                    return Ok(status);
                }
            };
            steps.push(step);
            if let Progress::Waits(status) = work.execute(step).await? {
                return Ok(status);
            }
        }
        Err(DatabaseError::State {
            identifier: instance.identifier.clone(),
            what: "reconciled",
            reason: format!("it was not settled after {steps:?}"),
        })
    }

    /// What an instance is, and what of its parameters waits. Changes nothing.
    pub async fn describe(&self, instance: &Instance) -> Result<Description, DatabaseError> {
        let (status, node) = self.look(&instance.key()).await?;
        let work = Work::begin(&self.shared, instance).await?;
        Ok(Description {
            status,
            node,
            pending_reboot: work.parameters.pending(&work.state.parameters),
            recorded: work.parameters.recorded,
            storage: work.state.storage,
        })
    }

    /// What an instance is doing. Changes nothing, and waits for no other work on it.
    pub async fn status(&self, key: &str) -> Result<Status, DatabaseError> {
        Ok(self.look(key).await?.0)
    }

    async fn look(&self, key: &str) -> Result<(Status, Option<NodeStatus>), DatabaseError> {
        let (files, state) = self.known(key)?;
        if self.shared.adopt(&files)?.is_none() {
            let status = if state.stopped {
                Status::Stopped
            } else if !state.synced {
                Status::Creating
            } else if state.rebooting {
                Status::Rebooting
            } else if volume_of(&self.shared, &files)?.is_full() {
                Status::StorageFull
            } else {
                Status::Failed("its server does not run".to_owned())
            };
            return Ok((status, None));
        }
        let Some(endpoint) = &state.endpoint else { return Ok((Status::Creating, None)) };
        let node = match session::answer(&files, endpoint.port, Instant::now()).await {
            Ok((_, node)) => node,
            Err(_) if !state.synced => return Ok((Status::Creating, None)),
            Err(_) if state.rebooting => return Ok((Status::Rebooting, None)),
            Err(_) if volume_of(&self.shared, &files)?.is_full() => return Ok((Status::StorageFull, None)),
            Err(refusal) => return Ok((Status::Failed(refusal.reason), None)),
        };
        if !state.synced {
            return Ok((Status::Creating, Some(node)));
        }
        let address = SocketAddr::from((endpoint.address, endpoint.port));
        Ok(match accepts(Namespace::named(&endpoint.namespace), address).await {
            Ok(()) if volume_of(&self.shared, &files)?.is_full() => (Status::StorageFull, Some(node)),
            Ok(()) => (Status::Available, Some(node)),
            Err(reason) => (Status::Failed(reason), Some(node)),
        })
    }

    /// Where the server of an instance writes its log; `None` where no instance can have that name.
    pub fn log_directory(&self, region: &str, identifier: &str) -> Option<PathBuf> {
        Files::of(&self.shared.lab, &key(region, identifier)).ok().map(|files| files.log())
    }

    /// Stops an instance, and keeps it stopped until [`Databases::start`].
    pub async fn stop(&self, key: &str) -> Result<(), DatabaseError> {
        let _alone = self.shared.lock(key, "stopped").await;
        let (files, mut state) = self.known(key)?;
        state.stopped = true;
        files.write_state(&state)?;
        server::stop(&self.shared.processes, &files, Ending::Clean).await
    }

    /// Starts an instance that was stopped.
    pub async fn start(&self, instance: &Instance) -> Result<Status, DatabaseError> {
        self.note(&instance.key(), |state| state.stopped = false).await?;
        self.reconcile(instance).await
    }

    /// Stops an instance and starts it again, with all parameters of its group.
    pub async fn reboot(&self, instance: &Instance) -> Result<Status, DatabaseError> {
        self.note(&instance.key(), |state| state.rebooting = true).await?;
        self.reconcile(instance).await
    }

    async fn note(&self, key: &str, change: impl FnOnce(&mut State)) -> Result<(), DatabaseError> {
        let _alone = self.shared.lock(key, "looked at").await;
        let (files, mut state) = self.known(key)?;
        change(&mut state);
        files.write_state(&state)
    }

    /// Makes a replica an instance of its own, for good: from now on a model that calls it a replica does not count.
    /// Nothing is done to an instance that is none.
    pub async fn promote(&self, key: &str) -> Result<(), DatabaseError> {
        let _alone = self.shared.lock(key, "promoted").await;
        let (files, mut state) = self.known(key)?;
        let session = self.session(&files, &state, "promoted").await?;
        let asked = session.client().query_one("select pg_is_in_recovery()", &[]);
        let is_standby: bool = session.ask("ask for its role", asked).await?.get(0);
        if is_standby {
            // Said first: a daemon that is killed now goes on with it.
            state.promoted = true;
            files.write_state(&state)?;
            work::promote(&session, &files).await?;
        }
        if !state.promoted {
            return Ok(());
        }
        let sources: Vec<_> = state.slots.iter().cloned().collect();
        drop_slots(&self.shared, &files, &mut state, &sources).await
    }

    /// Copies an instance's data under a name.
    pub async fn snapshot(&self, key: &str, name: &str) -> Result<Snapshot, DatabaseError> {
        let _alone = self.shared.lock(key, "copied for a snapshot").await;
        let (files, state) = self.known(key)?;
        self.take(&files, &state, name).await
    }

    async fn take(&self, files: &Files, state: &State, name: &str) -> Result<Snapshot, DatabaseError> {
        let key = key(&files.region, checked_name(name)?);
        // No region has a name with a dot.
        let _alone = self.shared.lock(&format!("snapshot.{key}"), "taken").await;
        if snapshot::find(&self.shared.lab, &key)?.is_some() {
            return Err(DatabaseError::SnapshotExists(name.to_owned()));
        }
        let running_on = match (self.shared.adopt(files)?, &state.endpoint) {
            (Some(_), Some(endpoint)) => {
                self.session(files, state, "copied").await?;
                Some(endpoint.port)
            }
            _ => None,
        };
        let user = ServerUser::find()?;
        let copy = snapshot::Copy { lab: &self.shared.lab, processes: &self.shared.processes, files, user };
        copy.take(name, running_on).await
    }

    async fn session(
        &self,
        files: &Files,
        state: &State,
        what: &'static str,
    ) -> Result<Session, DatabaseError> {
        let refused = |reason| DatabaseError::State { identifier: files.identifier.clone(), what, reason };
        let Some(endpoint) = &state.endpoint else { return Err(refused("it was never started".to_owned())) };
        Session::connect(files, endpoint.port).await.map_err(|refusal| refused(refusal.reason))
    }

    /// What is being done with an instance, as a participle: other work on it waits for that.
    pub fn doing(&self, key: &str) -> Option<&'static str> {
        self.shared.doing(key)
    }

    /// All snapshots, by region and name.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, DatabaseError> {
        snapshot::list(&self.shared.lab)
    }

    /// Removes what a daemon that was killed has left of snapshots in the making.
    pub async fn forget_unfinished_snapshots(&self) -> Result<(), DatabaseError> {
        let lab = &self.shared.lab;
        let unfinished = snapshot::unfinished(lab);
        if unfinished.is_empty() {
            return Ok(());
        }
        // Whoever still writes there.
        for key in files::keys(lab) {
            let _alone = self.shared.lock(&key, "looked at").await;
            tool::end_all(&self.shared.processes, &Files::of(lab, &key)?).await?;
        }
        for (key, path) in unfinished {
            // One of the same name that has begun since is not among them once it is done.
            let _alone = self.shared.lock(&format!("snapshot.{key}"), "removed").await;
            remove_directory(&path)?;
        }
        Ok(())
    }

    /// Removes a snapshot.
    pub fn delete_snapshot(&self, key: &str) -> Result<(), DatabaseError> {
        snapshot::delete(&self.shared.lab, key)
    }

    /// Removes an instance with all its files, after a last snapshot where one is wanted. One that is gone already is no
    /// error, so a deletion that was cut off goes on when it is asked for again.
    pub async fn delete(&self, key: &str, final_snapshot: Option<&str>) -> Result<(), DatabaseError> {
        let _alone = self.shared.lock(key, "deleted").await;
        let files = Files::of(&self.shared.lab, key)?;
        if let (Some(name), Some(mut state)) = (final_snapshot, files.read_state()?) {
            self.take_last(&files, &mut state, checked_name(name)?).await?;
        }
        self.remove(&files).await
    }

    async fn take_last(&self, files: &Files, state: &mut State, name: &str) -> Result<(), DatabaseError> {
        let exists = snapshot::find(&self.shared.lab, &key(&files.region, name))?.is_some();
        if exists && state.final_snapshot.as_deref() == Some(name) {
            return Ok(());
        }
        if !exists {
            state.final_snapshot = Some(name.to_owned());
            files.write_state(state)?;
        }
        self.take(files, state, name).await.map(|_| ())
    }

    /// Ends and removes an instance.
    async fn remove(&self, files: &Files) -> Result<(), DatabaseError> {
        let processes = &self.shared.processes;
        server::stop(processes, files, Ending::Immediate).await?;
        self.shared.reaped(&files.key).await;
        tool::end_all(processes, files).await?;
        if files.run.is_dir() {
            server::forget_shared_memory(processes, files).await?;
        }
        match files.read_state() {
            Ok(Some(mut state)) => {
                let sources: Vec<_> = state.slots.iter().cloned().collect();
                drop_slots(&self.shared, files, &mut state, &sources).await?;
            }
            Ok(None) => {}
            // What cannot be read must not keep what it is about.
            Err(error) => tracing::warn!("{}: removed without its state: {error}", files.identifier),
        }
        // First what is in the volume: unmounting it would write that out. One that cannot be written goes as it is.
        if let Err(error) = remove_directory(&files.data()) {
            tracing::warn!("{}: {error}; its volume goes as it is", files.identifier);
        }
        volume_of(&self.shared, files)?.unmount()?;
        remove_directory(&files.root)?;
        remove_directory(&files.socket())?;
        remove_directory(&files.run)?;
        files.forget_region();
        Ok(())
    }

    /// Removes everything of the lab's databases: servers, data, snapshots. Goes on after an error and reports all.
    pub async fn teardown(&self) -> Result<(), DatabaseError> {
        let lab = &self.shared.lab;
        let mut problems = Vec::new();
        let mut note =
            |result: Result<(), DatabaseError>| problems.extend(result.err().map(|error| error.to_string()));
        for key in files::keys(lab) {
            let _alone = self.shared.lock(&key, "removed").await;
            match Files::of(lab, &key) {
                Ok(files) => note(self.remove(&files).await),
                Err(error) => note(Err(error)),
            }
        }
        let data = ["databases", "snapshots", "postgresql"].map(|kind| lab.data(kind));
        let run = ["databases", "sockets"].map(|kind| lab.run(kind));
        for directory in data.into_iter().chain(run) {
            note(remove_directory(&directory));
        }
        if problems.is_empty() { Ok(()) } else { Err(DatabaseError::Several(problems)) }
    }

    /// Told whenever a server ends, however it ends, storage is filled or freed, or [`Databases::look_again`] is called:
    /// moments to look at all.
    pub fn disturbances(&self) -> watch::Receiver<u64> {
        self.shared.disturbances()
    }

    /// Asks whoever looks after an instance for a look, and waits until one that began after this is done.
    pub async fn look_again(&self, key: &str) {
        let looked = self.shared.look_again(key);
        // Where nobody looks any more, there is nothing to wait for.
        let _ = tokio::time::timeout(timeouts::DATABASE_LOOK, looked).await;
    }

    /// Those who wait for the look that begins now. They are told when this is dropped.
    pub fn begin_look(&self, key: &str) -> Look {
        Look { _curious: self.shared.curious_of(key) }
    }

    /// An instance that was made, at least in part.
    fn known(&self, key: &str) -> Result<(Files, State), DatabaseError> {
        let files = Files::of(&self.shared.lab, key)?;
        match files.read_state()? {
            Some(state) => Ok((files, state)),
            None => Err(DatabaseError::NoInstance(files.identifier)),
        }
    }
}

fn volume_of<'a>(shared: &'a Shared, files: &'a Files) -> Result<Volume<'a>, DatabaseError> {
    Ok(Volume { processes: &shared.processes, files, user: ServerUser::find()? })
}
