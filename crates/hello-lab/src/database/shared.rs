//! What all work on a lab's instances shares.

use super::{
    error::{DatabaseError, Doing as _},
    files::{Files, ServerUser, make_directory, remove_file, write_file},
    installation::Installation,
    parameters::catalogue::Catalogue,
    tool::{Owner, Tool},
};
use crate::{
    lab::Lab,
    process::{Processes, Running},
    timeouts,
};
use std::{
    collections::HashMap,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::{OwnedMutexGuard, oneshot, watch},
    task::JoinHandle,
};

/// The right to work on an instance.
#[derive(Debug, Default)]
struct Lock {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// What who has it does.
    doing: &'static str,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) lab: Lab,
    pub(super) processes: Processes,
    /// Counts what asks for a look at the instances: a server has ended, a fault has changed how much room there is,
    /// somebody wants to know.
    disturbances: watch::Sender<u64>,
    /// Who waits for the next look at each instance: see [`Shared::look_again`].
    curious: Mutex<HashMap<String, Vec<oneshot::Sender<()>>>>,
    /// One piece of work at a time on each instance.
    locks: Mutex<HashMap<String, Lock>>,
    /// What each major version knows, and the right to lay out installations.
    catalogues: tokio::sync::Mutex<HashMap<u32, Arc<Catalogue>>>,
    /// Who waits for the end of each server that was started here, so that none stays as a zombie.
    watchers: Mutex<HashMap<String, JoinHandle<()>>>,
}

impl Shared {
    pub(super) fn new(lab: &Lab) -> Shared {
        Shared {
            lab: lab.clone(),
            processes: lab.processes(),
            disturbances: watch::Sender::new(0),
            curious: Mutex::default(),
            locks: Mutex::default(),
            catalogues: tokio::sync::Mutex::default(),
            watchers: Mutex::default(),
        }
    }

    /// Waits for the end of other work on this instance. `doing` says what is done meanwhile, as a participle.
    pub(super) async fn lock(&self, key: &str, doing: &'static str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&locks.entry(key.to_owned()).or_default().lock)
        };
        let guard = lock.lock_owned().await;
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(key.to_owned()).or_default().doing = doing;
        drop(locks);
        guard
    }

    /// What is being done with an instance, as a participle; `None` where nothing is.
    pub(super) fn doing(&self, key: &str) -> Option<&'static str> {
        let locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = locks.get(key)?;
        found.lock.try_lock().is_err().then_some(found.doing)
    }

    /// The server of an instance, if it runs.
    pub(super) fn adopt(&self, files: &Files) -> Result<Option<Running>, DatabaseError> {
        self.processes.adopt(&files.process()).doing(|| format!("look for {}", files.process()))
    }

    /// Something has happened to an instance.
    pub(super) fn disturb(&self) {
        self.disturbances.send_modify(|count| *count += 1);
    }

    /// Told of each disturbance.
    pub(super) fn disturbances(&self) -> watch::Receiver<u64> {
        self.disturbances.subscribe()
    }

    /// Asks for a look at an instance. The answer closes when one is done that began after this.
    pub(super) fn look_again(&self, key: &str) -> oneshot::Receiver<()> {
        let (looked, answer) = oneshot::channel();
        self.curious().entry(key.to_owned()).or_default().push(looked);
        self.disturb();
        answer
    }

    /// Who waits for the look that begins now: they are told when this is dropped.
    pub(super) fn curious_of(&self, key: &str) -> Vec<oneshot::Sender<()>> {
        self.curious().remove(key).unwrap_or_default()
    }

    fn curious(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<oneshot::Sender<()>>>> {
        self.curious.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of a server in the background.
    pub(super) fn watch(&self, key: &str, mut running: Running) {
        let disturbances = self.disturbances.clone();
        let watcher = tokio::spawn(async move {
            running.ended().await;
            disturbances.send_modify(|count| *count += 1);
        });
        self.watchers().insert(key.to_owned(), watcher);
    }

    /// The same for a server that an earlier daemon has started, unless it is waited for already.
    pub(super) fn watch_adopted(&self, key: &str, running: Running) {
        let is_watched = self.watchers().get(key).is_some_and(|watcher| !watcher.is_finished());
        if !is_watched {
            self.watch(key, running);
        }
    }

    /// Waits until a server that has ended is forgotten too.
    pub(super) async fn reaped(&self, key: &str) {
        let watcher = self.watchers().remove(key);
        if let Some(watcher) = watcher {
            // It only waits for a process that has ended.
            let _ = tokio::time::timeout(timeouts::KILLED, watcher).await;
        }
    }

    fn watchers(&self) -> std::sync::MutexGuard<'_, HashMap<String, JoinHandle<()>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays out the lab's view of an installation, where it is not there or outdated.
    pub(super) async fn lay_out(&self, installation: &Installation) -> Result<(), DatabaseError> {
        let _right = self.catalogues.lock().await;
        installation.lay_out()
    }

    /// The parameters that PostgreSQL of this version knows. It is asked once.
    pub(super) async fn catalogue(
        &self,
        installation: &Installation,
    ) -> Result<Arc<Catalogue>, DatabaseError> {
        let mut catalogues = self.catalogues.lock().await;
        if let Some(known) = catalogues.get(&installation.major) {
            return Ok(Arc::clone(known));
        }
        installation.lay_out()?;
        let said = self.run_server(installation, vec!["--describe-config".into()]).await?;
        let catalogue = Arc::new(Catalogue::read(&said));
        catalogues.insert(installation.major, Arc::clone(&catalogue));
        Ok(catalogue)
    }

    /// Has PostgreSQL read a configuration, for no instance, and do nothing else.
    pub(super) async fn read_configuration(
        &self,
        installation: &Installation,
        text: &str,
    ) -> Result<(), DatabaseError> {
        // One at a time: they share the file.
        let _right = self.catalogues.lock().await;
        let directory = self.directory();
        make_directory(&directory, 0o755, None)?;
        let candidate = directory.join("postgresql.conf.candidate");
        let user = ServerUser::find()?;
        user.may_enter(&directory)?;
        write_file(&candidate, text.as_bytes(), 0o644, Some(user))?;
        let mut arguments = ["-C", "max_connections", "-D"].map(OsString::from).to_vec();
        arguments.extend([directory.into(), "-c".into()]);
        arguments.push(format!("config_file={}", candidate.display()).into());
        let read = self.run_server(installation, arguments).await;
        remove_file(&candidate)?;
        read.map(|_| ())
    }

    /// What belongs to no instance: beside the directories of regions.
    fn directory(&self) -> PathBuf {
        self.lab.run("databases")
    }

    async fn run_server(
        &self,
        installation: &Installation,
        arguments: Vec<OsString>,
    ) -> Result<String, DatabaseError> {
        let directory = self.directory();
        make_directory(&directory, 0o755, None)?;
        let identifier = format!("PostgreSQL {}", installation.major);
        let process = format!("postgresql.{}", installation.major);
        let tool = Tool {
            processes: &self.processes,
            owner: Owner { process, identifier, directory },
            program: installation.server(),
            arguments,
            user: Some(ServerUser::find()?),
            namespace: None,
            limit: timeouts::DATABASE_TOOL,
        };
        tool.run().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[tokio::test]
    async fn what_is_done_with_an_instance_is_known_while_it_is_done() {
        let nowhere = Path::new("/nonexistent");
        let shared = Shared::new(&Lab::new("test", nowhere, nowhere));
        assert_eq!(shared.doing("eu-west-1/hello"), None);
        let alone = shared.lock("eu-west-1/hello", "copied").await;
        assert_eq!(shared.doing("eu-west-1/hello"), Some("copied"));
        assert_eq!(shared.doing("eu-west-1/other"), None);
        drop(alone);
        assert_eq!(shared.doing("eu-west-1/hello"), None);
    }
}
