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

    /// Fills the storage to the last block. Only where it has an end of its own.
    pub fn fill(&self, key: &str) -> Result<(), DatabaseError> {
        let (files, state) = self.known(key)?;
        let reason = match state.storage {
            Some(Storage::Bounded(_)) => return volume_of(&self.shared, &files)?.fill(),
            Some(Storage::Unbounded(reason)) => {
                format!(
                    "this machine gave it no file system of its own, and its disk is not filled for it ({reason})"
                )
            }
            None => "it has no storage yet".to_owned(),
        };
        Err(DatabaseError::State { identifier: files.identifier, what: "filled", reason })
    }

    /// Undoes what [`Databases::freeze`] and [`Databases::fill`] did.
    pub fn restore(&self, key: &str) -> Result<(), DatabaseError> {
        let (files, _) = self.known(key)?;
        server::thaw(&files.data());
        volume_of(&self.shared, &files)?.empty()
    }
}
