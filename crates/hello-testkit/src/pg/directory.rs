//! The directory of one server, and the removal of what crashed runs left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::os::{ProcessStat, ServerUser, process_tree, send};

/// The name goes on with pid, start time and a number. Short: a socket's path has room for 107 bytes.
const PREFIX: &str = "hello-testkit-";

/// Everything of one server: data, configuration, socket, log. Removed on drop.
#[derive(Debug)]
pub(super) struct ServerDir {
    path: PathBuf,
}

impl ServerDir {
    /// Makes an empty directory that belongs to the server's user.
    pub(super) fn create() -> Result<Self> {
        static SWEEP: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        SWEEP.call_once(|| sweep(&std::env::temp_dir()));
        let own_pid = Pid::this();
        let start = ProcessStat::read(own_pid).map_or(0, |stat| stat.start_ticks);
        let name = format!("{PREFIX}{own_pid}-{start}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        let dir = Self { path };
        ServerUser::get().own(&dir.path)?;
        Ok(dir)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.path.join("postgresql.conf")
    }

    pub(super) fn hba_file(&self) -> PathBuf {
        self.path.join("pg_hba.conf")
    }

    pub(super) fn cert_file(&self) -> PathBuf {
        self.path.join("server.crt")
    }

    pub(super) fn key_file(&self) -> PathBuf {
        self.path.join("server.key")
    }

    /// The end of the server's log, for messages about its failure.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
        format!("the last lines of its log:\n{}", tail.join("\n"))
    }
}

impl Drop for ServerDir {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes the directories whose test program is gone, after ending the server in them.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().and_then(owner_is_dead) == Some(true) {
            kill_server_in(&entry.path());
            remove(&entry.path());
        }
    }
}

/// Whether the process that made a directory of this name is gone; `None` if the name is not one of ours.
fn owner_is_dead(name: &str) -> Option<bool> {
    let mut parts = name.strip_prefix(PREFIX)?.split('-');
    let pid: i32 = parts.next()?.parse().ok()?;
    let start_ticks: u64 = parts.next()?.parse().ok()?;
    let stat = ProcessStat::read(Pid::from_raw(pid));
    Some(stat.is_none_or(|stat| stat.start_ticks != start_ticks || stat.is_zombie()))
}

fn kill_server_in(dir: &Path) {
    let lock_file = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
    let Some(pid) = lock_file.lines().next().and_then(|line| line.parse().ok()) else { return };
    // The number may belong to another process by now.
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if String::from_utf8_lossy(&command_line).contains(&*dir.to_string_lossy()) {
        for pid in process_tree(Pid::from_raw(pid)) {
            send(pid, Signal::SIGKILL);
        }
    }
}

fn remove(dir: &Path) {
    remove_shared_memory(dir);
    fs::remove_dir_all(dir).ok();
}

/// A server that was killed leaves its System V shared memory segment behind, which outlives all processes.
fn remove_shared_memory(dir: &Path) {
    let lock_file = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
    // The seventh line holds the key and the id of the segment.
    let id = lock_file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1));
    if let Some(id) = id {
        Command::new("ipcrm").args(["-m", id]).output().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::unistd::Pid;

    use super::{PREFIX, ProcessStat, ServerDir, owner_is_dead, sweep};

    #[test]
    fn only_directories_of_ended_processes_count_as_left_over() {
        let pid = Pid::this();
        let start = ProcessStat::read(pid).unwrap().start_ticks;
        assert_eq!(owner_is_dead(&format!("{PREFIX}{pid}-{start}-0")), Some(false));
        assert_eq!(owner_is_dead(&format!("{PREFIX}{pid}-{}-0", start + 1)), Some(true));
        assert_eq!(owner_is_dead(&format!("{PREFIX}2147483647-1-0")), Some(true));
        assert_eq!(owner_is_dead(&format!("{PREFIX}notes")), None);
        assert_eq!(owner_is_dead("something-else-1-1-0"), None);
    }

    #[test]
    fn a_sweep_removes_what_a_crashed_run_left_and_nothing_else() {
        let dir = ServerDir::create().unwrap();
        let dead = dir.path().join(format!("{PREFIX}2147483647-1-0"));
        let foreign = dir.path().join("foreign");
        fs::create_dir_all(dead.join("data")).unwrap();
        fs::create_dir(&foreign).unwrap();
        sweep(dir.path());
        assert!(!dead.exists());
        assert!(foreign.exists());
    }

    #[test]
    fn dropping_it_removes_it() {
        let dir = ServerDir::create().unwrap();
        let path = dir.path().to_path_buf();
        assert!(path.is_dir());
        drop(dir);
        assert!(!path.exists());
    }
}
