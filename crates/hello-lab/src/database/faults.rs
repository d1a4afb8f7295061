//! Faults for drills. None is undone by a reconciliation but [`Databases::kill`]; [`Databases::restore`] undoes the rest.

use super::{
    Databases,
    error::{DatabaseError, Doing as _},
    files::Storage,
    server, volume_of,
};
use crate::timeouts;
use nix::sys::signal::Signal;

impl Databases {
    /// Stops all processes of an instance where they are: it keeps its connections and answers nothing.
    pub async fn freeze(&self, key: &str) -> Result<(), DatabaseError> {
        let (files, _) = self.known(key)?;
        server::freeze(&files.data()).await
    }

    /// Kills the server as a crash of its machine would. The next reconciliation starts it again.
    pub async fn kill(&self, key: &str) -> Result<(), DatabaseError> {
        let (files, _) = self.known(key)?;
        match self.shared.adopt(&files)? {
            Some(running) => {
                let killed = running.stop_with(Signal::SIGKILL, timeouts::KILLED).await;
                killed.doing(|| format!("kill {}", files.process()))
            }
            None => Ok(()),
        }
    }

    /// Fills the storage to the last block. Only where it has an end of its own. The machine's disk is not filled: blocks
    /// are reserved inside the image, and nothing is written to them.
    pub async fn fill(&self, key: &str) -> Result<(), DatabaseError> {
        // Nobody unmounts it meanwhile: what is below the mount is the machine's own disk.
        let _alone = self.shared.lock(key, "filled").await;
        let (files, state) = self.known(key)?;
        let refused =
            |reason| DatabaseError::State { identifier: files.identifier.clone(), what: "filled", reason };
        let volume = volume_of(&self.shared, &files)?;
        match state.storage {
            Some(storage @ Storage::Bounded(_)) if volume.is_ready(&storage) => volume.fill().await?,
            Some(Storage::Bounded(_)) | None => return Err(refused("it has no storage yet".to_owned())),
            Some(Storage::Unbounded(reason)) => {
                return Err(refused(format!(
                    "this machine gave it no file system of its own, and its disk is not filled for it ({reason})"
                )));
            }
        }
        self.shared.disturb();
        Ok(())
    }

    /// Does a fault take all room of an instance?
    pub fn is_filled(&self, key: &str) -> bool {
        self.known(key).is_ok_and(|(files, _)| files.ballast().exists())
    }

    /// Undoes what [`Databases::freeze`] and [`Databases::fill`] did.
    pub fn restore(&self, key: &str) -> Result<(), DatabaseError> {
        let (files, _) = self.known(key)?;
        server::thaw(&files.data());
        volume_of(&self.shared, &files)?.empty()?;
        self.shared.disturb();
        Ok(())
    }
}
