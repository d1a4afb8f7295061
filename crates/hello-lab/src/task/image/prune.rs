//! Removing what no task and no task definition needs any more.
//!
//! What is to go is first moved out of the place where it would be taken for whole, and then removed: whoever is killed
//! between the two leaves something that the next one removes. It is moved while nobody pulls, so that nothing goes that a
//! task has just found to be here.

use super::{Content, REFERENCES, Store};
use crate::files::{gone, sync_directory_of};
use std::{
    collections::BTreeSet,
    fs::{self, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// Where things are on their way out.
const TRASH: &str = "trash";

/// What has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// As many blobs and directories were removed.
    Removed(usize),
    /// A task pulls an image: another time.
    Busy,
}

impl Store {
    /// Removes everything but what was last pulled under these references, and what the tasks use, which `in_use` tells.
    pub fn prune(
        &self,
        references: &BTreeSet<String>,
        in_use: impl FnOnce() -> io::Result<Option<Vec<Content>>>,
    ) -> io::Result<Pruned> {
        if !self.directory.exists() {
            return Ok(Pruned::Removed(0));
        }
        // Left by one that was killed.
        let trash = self.directory.join(TRASH);
        gone(fs::remove_dir_all(&trash))?;
        let lock = self.lock_file()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Pruned::Busy),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Now, while nobody can begin to use anything.
        let Some(mut kept) = in_use()? else { return Ok(Pruned::Busy) };
        self.prune_references(references, &mut kept)?;
        let blobs: BTreeSet<&str> =
            kept.iter().flat_map(|content| &content.blobs).map(super::Digest::hex).collect();
        let roots: BTreeSet<&str> = kept.iter().map(|content| content.root.hex()).collect();
        let mut removed = 0;
        for (kind, kept) in [("blobs", blobs), ("roots", roots)] {
            removed += self.discard(kind, &kept, &trash)?;
        }
        drop(lock);
        gone(fs::remove_dir_all(&trash))?;
        Ok(Pruned::Removed(removed))
    }

    /// Adds what was pulled under these references, and forgets what was under others, unless it is in use.
    fn prune_references(&self, references: &BTreeSet<String>, kept: &mut Vec<Content>) -> io::Result<()> {
        for path in entries(&self.directory.join(REFERENCES))? {
            // One that cannot be read names nothing; its image is pulled again.
            let content = serde_json::from_slice::<Content>(&fs::read(&path)?).ok();
            let is_kept =
                |content: &Content| references.contains(&content.reference) || kept.contains(content);
            match content.filter(is_kept) {
                Some(content) => kept.push(content),
                None => gone(fs::remove_file(&path))?,
            }
        }
        Ok(())
    }

    /// Moves what is not among the kept to the trash, what pulls that were killed have left included.
    fn discard(&self, kind: &str, kept: &BTreeSet<&str>, trash: &Path) -> io::Result<usize> {
        let mut moved = 0;
        for path in entries(&self.directory.join(kind))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if kept.contains(name) {
                continue;
            }
            if path.extension().is_some_and(|extension| extension == "lock") {
                // Who waits for it pulls, and nobody does.
                gone(fs::remove_file(&path))?;
                continue;
            }
            fs::create_dir_all(trash)?;
            fs::rename(&path, trash.join(format!("{kind}-{name}")))?;
            // Moved for good before anything of it goes: no half of it may have its name after a loss of power.
            sync_directory_of(&path)?;
            moved += 1;
        }
        Ok(moved)
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

#[cfg(test)]
mod tests;
