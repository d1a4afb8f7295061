//! The operating system's side: users, commands, processes.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{self, Signal};
use nix::unistd::{Gid, Pid, Uid, User, chown};

/// Who PostgreSQL runs as: it refuses to run as root.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerUser {
    uid: Uid,
    gid: Gid,
    /// Whether that is somebody else than this process.
    switch: bool,
}

impl ServerUser {
    /// The user of this process, or `postgres`, or `nobody`, if that is root.
    pub(super) fn get() -> Self {
        static USER: OnceLock<ServerUser> = OnceLock::new();
        *USER.get_or_init(|| {
            if !Uid::effective().is_root() {
                return Self { uid: Uid::effective(), gid: Gid::effective(), switch: false };
            }
            let user =
                ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
            let user = user.expect("a Unix system has the user nobody");
            Self { uid: user.uid, gid: user.gid, switch: true }
        })
    }

    pub(super) fn uid(self) -> Uid {
        self.uid
    }

    /// A command that will run as this user.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if self.switch {
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
        // The directory of the caller may be closed to the other user.
        command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command
    }

    /// Gives a file or directory to this user.
    pub(super) fn own(self, path: &Path) -> Result<()> {
        if self.switch {
            chown(path, Some(self.uid), Some(self.gid))
                .with_context(|| format!("chown {}", path.display()))?;
        }
        Ok(())
    }
}

/// Runs a command to its end, without blocking the runtime's thread.
pub(super) async fn run(mut command: Command) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = command.output().with_context(|| format!("run {name}"))?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name} ended with {}: {}", output.status, stderr.trim());
        Ok(())
    })
    .await?
}

/// A process and its descendants, the process first.
pub(super) fn process_tree(root: Pid) -> Vec<Pid> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, ProcessStat::read(Pid::from_raw(pid))?))) {
            parents.push((Pid::from_raw(pid), stat.parent));
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}

/// Stops a process and all its descendants, so that none escapes by forking meanwhile.
pub(super) fn freeze_tree(root: Pid) -> Vec<Pid> {
    let mut frozen = HashSet::new();
    loop {
        let tree = process_tree(root);
        let new: Vec<_> = tree.iter().copied().filter(|pid| frozen.insert(*pid)).collect();
        if new.is_empty() {
            return tree;
        }
        for pid in new {
            send(pid, Signal::SIGSTOP);
        }
    }
}

/// Sends a signal; a process that is gone is no error.
pub(super) fn send(pid: Pid, signal: Signal) {
    signal::kill(pid, signal).ok();
}

/// What `/proc/<pid>/stat` says of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessStat {
    pub(super) state: char,
    pub(super) parent: Pid,
    /// Clock ticks after boot; with the pid it names a process for good.
    pub(super) start_ticks: u64,
}

impl ProcessStat {
    /// `None` for a process that is gone.
    pub(super) fn read(pid: Pid) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field, the program's name in parentheses, may hold spaces and parentheses itself.
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = Pid::from_raw(fields.next()?.parse().ok()?);
        // Field 22 of the line; the state was field 3.
        let start_ticks = fields.nth(17)?.parse().ok()?;
        Some(Self { state, parent, start_ticks })
    }

    /// Whether the process has ended and only waits to be reaped.
    pub(super) fn is_zombie(self) -> bool {
        self.state == 'Z'
    }
}
