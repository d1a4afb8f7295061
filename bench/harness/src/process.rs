//! Children that end with the run, and what a tree of processes uses: memory and processor time.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A child in its own process group. Dropping it ends the group.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stop_signal: Signal,
    grace: Duration,
}

/// Who a child runs as, and what it gets should this process be killed without a chance to clean up.
pub(crate) fn supervised(user: Option<&str>, death_signal: &str, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", death_signal]);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.args(["--", program]);
    command
}

impl Running {
    /// Starts a command in its own process group, so that Ctrl-C reaches this process alone.
    pub(crate) fn start(command: &mut Command, stop_signal: Signal, grace: Duration) -> Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| format!("start {command:?}"))?;
        Ok(Self { child, stop_signal, grace })
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if the process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("look after the child")? {
            bail!("it ended by itself: {status}");
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return };
        if matches!(self.child.try_wait(), Ok(None)) {
            // Failure means that it has just ended, which is what is wanted.
            let _ = kill_process(pid, self.stop_signal);
            let end = Instant::now() + self.grace;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // What is left of the group, such as workers whose parent did not wait for them.
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A process and all its descendants.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, parent(pid)?)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces and brackets; the state and the parent follow the last one.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Processor time that a tree of processes has used, by its living threads.
pub(crate) fn cpu_time(root: u32) -> Duration {
    let nanoseconds = tree(root)
        .into_iter()
        .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok())
        .flatten()
        .filter_map(|task| schedstat(&task.ok()?.path().join("schedstat").to_string_lossy()))
        .sum();
    Duration::from_nanos(nanoseconds)
}

/// Processor time that this thread has used.
pub(crate) fn own_thread_cpu_time() -> Duration {
    Duration::from_nanos(schedstat("/proc/thread-self/schedstat").unwrap_or_default())
}

fn schedstat(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.split(' ').next()?.parse().ok()
}

/// Processor time that the whole machine has been busy, time stolen by the host included.
pub(crate) fn machine_busy_time() -> Duration {
    // USER_HZ: what /proc/stat counts in is 100 per second on every architecture that Linux runs Rust on.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<u32> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user, nice, system, (idle, iowait), irq, softirq, steal; guest time is part of user already.
    [0, 1, 2, 5, 6, 7].into_iter().filter_map(|field| ticks.get(field)).map(|ticks| TICK * *ticks).sum()
}

/// Memory of a tree of processes, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// The peak of each process's resident set (`VmHWM`), summed.
    pub(crate) peak_resident: u64,
    /// Resident memory now, pages that processes share counted once.
    pub(crate) proportional: u64,
    /// How many processes there are.
    pub(crate) processes: usize,
}

/// The memory of a tree of processes.
pub(crate) fn memory(root: u32) -> Memory {
    let processes = tree(root);
    let sum = |file: &str, field: &str| {
        processes.iter().filter_map(|pid| kibibytes(&format!("/proc/{pid}/{file}"), field)).sum::<u64>()
            * 1024
    };
    Memory {
        peak_resident: sum("status", "VmHWM:"),
        proportional: sum("smaps_rollup", "Pss:"),
        processes: processes.len(),
    }
}

fn kibibytes(path: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?.parse().ok()
}
