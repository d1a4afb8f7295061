//! The one place that makes, enters and removes network namespaces.
//!
//! A namespace is pinned at `/run/netns/NAME`, where `ip netns` finds it too. Entering is per thread: a closure runs on
//! a thread of its own that ends with it, so no other thread ever changes its namespace.

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    thread,
};

/// Where namespaces are pinned.
const DIRECTORY: &str = "/run/netns";

/// A network namespace by name. The value is only the name; the namespace may or may not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// The namespace of this name.
    pub fn named(name: impl Into<String>) -> Namespace {
        Namespace { name: name.into() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is pinned.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// Is it there, as a namespace and not as a file left over?
    pub fn exists(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        // A pinned namespace is on the kernel's own file system, a leftover file on that of the directory.
        match (fs::metadata(self.path()), fs::metadata(DIRECTORY)) {
            (Ok(file), Ok(directory)) => file.dev() != directory.dev(),
            _ => false,
        }
    }

    /// Does a thread of the process live in it? In this very one, not in one of that name that was deleted and made anew.
    pub fn holds(&self, pid: i32) -> bool {
        let wanted = identity(&self.path());
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        wanted.is_some()
            && threads.map(|thread| identity(&thread.path().join("ns/net"))).any(|lives| lives == wanted)
    }

    /// Makes it unless it is there.
    pub fn create(&self) -> io::Result<()> {
        self.create_prepared(|| Ok(()))
    }

    /// Makes it unless it is there. `prepare` runs inside before it has its name, so that nobody ever sees it unprepared.
    pub fn create_prepared(
        &self,
        prepare: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        if self.exists() {
            return Ok(());
        }
        fs::create_dir_all(DIRECTORY)?;
        share_directory(Path::new(DIRECTORY))?;
        let path = self.path();
        File::create(&path)?;
        let pin = path.clone();
        let made = on_a_thread(move || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            prepare()?;
            mount(Some("/proc/thread-self/ns/net"), &pin, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            Ok(())
        });
        if made.is_err() {
            let _ = fs::remove_file(&path);
        }
        made
    }

    /// Removes it; one that is gone already is no error. Interfaces end with it once no process is left inside.
    pub fn delete(&self) -> io::Result<()> {
        let path = self.path();
        // More than one mount can lie over another after a crash.
        while self.exists() {
            umount2(&path, MntFlags::MNT_DETACH)?;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Runs `inside` on a thread that has entered the namespace.
    ///
    /// A child process started there, and a socket opened there, belong to the namespace for good.
    pub fn run<T: Send + 'static>(
        &self,
        inside: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = File::open(self.path())?;
        on_a_thread(move || {
            setns(&file, CloneFlags::CLONE_NEWNET)?;
            inside()
        })
    }

    /// All pinned namespaces whose names begin with `prefix`, leftover files included.
    pub fn with_prefix(prefix: &str) -> io::Result<Vec<Namespace>> {
        let entries = match fs::read_dir(DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            if let Some(name) = entry?.file_name().to_str().filter(|name| name.starts_with(prefix)) {
                found.push(Namespace::named(name));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// What tells namespaces apart, whatever path leads there.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).map(|found| (found.dev(), found.ino())).ok()
}

/// Makes the directory a shared mount point, as `ip netns add` does. Left to `ip`, it would lay the mount over what was
/// pinned before, which nobody could remove any more. Like `ip`'s, it stays: others may have pinned theirs meanwhile.
fn share_directory(directory: &Path) -> io::Result<()> {
    let share =
        || mount(None::<&str>, directory, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    let opened = File::open(directory)?;
    // `ip` takes the same lock (lib/namespace.c, ipnetns.c of iproute2), so that only one of us makes the mount.
    let _lock = Flock::lock(opened, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    match share() {
        // It is no mount point yet.
        Err(Errno::EINVAL) => {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(directory), directory, None::<&str>, flags, None::<&str>)?;
            share()?;
            Ok(())
        }
        shared => Ok(shared?),
    }
}

/// Runs `inside` in a new namespace that has no name and ends with it.
pub(super) fn unnamed<T: Send + 'static>(
    inside: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    on_a_thread(move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        inside()
    })
}

fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    thread::Builder::new()
        .name("netns".to_owned())
        .spawn(work)?
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread inside the namespace ended in a panic")))
}

#[cfg(test)]
mod tests;
