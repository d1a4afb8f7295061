//! The limits of a task, as a control group: version 1 or 2, whichever this machine has.
//!
//! A task is a group, and its containers, whose groups crun makes, are groups below it; so the limits hold for the task
//! as a whole, as on Fargate. A machine without one of the controllers still runs tasks: what is missing is reported.

use crate::timeouts;
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::{
        signal::{Signal, kill},
        statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs},
    },
    unistd::Pid,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";
/// Where version 2 is mounted next to version 1, on machines in hybrid mode.
const UNIFIED: &str = "/sys/fs/cgroup/unified";
/// The group above all labs.
const TOP: &str = "hello-lab";
/// Length of the period in which a quota of CPU time counts, in microseconds: the kernel's own default.
const PERIOD: u64 = 100_000;
/// The kernel's least quota, in microseconds.
const LEAST_QUOTA: u64 = 1_000;
/// Processes and threads of a task. Fargate documents no limit; this one keeps a mistake from taking the machine.
const PROCESSES: u64 = 4096;

/// Version of the control groups that hold the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// One tree for each controller.
    One,
    /// One tree for all.
    Two,
}

impl Version {
    fn of_this_machine() -> Version {
        match statfs(MOUNT) {
            Ok(found) if found.filesystem_type() == CGROUP2_SUPER_MAGIC => Version::Two,
            _ => Version::One,
        }
    }
}

/// Gives the calling process a mount namespace of its own, in which it sees one version of control groups: crun refuses
/// to work where both are mounted. Mounts made in it end with it. The process must have one thread.
pub fn see_one_version() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What is mounted outside still comes in; nothing goes out.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)?;
    if statfs(UNIFIED).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC) {
        umount2(UNIFIED, MntFlags::MNT_DETACH)?;
        // crun makes directories for a container in all that it finds there. What it makes in this one ends with the
        // namespace; without it they would stay on the machine, below the mount, where nobody sees them.
        mount(Some("tmpfs"), UNIFIED, Some("tmpfs"), MsFlags::empty(), Some("mode=755,size=1m"))?;
    }
    Ok(())
}

/// The limits of a task.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// CPU units: 1024 are one core.
    pub cpu: u32,
    /// Memory in MiB.
    pub memory: u32,
}

impl Limits {
    fn quota(self) -> u64 {
        (u64::from(self.cpu) * PERIOD / 1024).max(LEAST_QUOTA)
    }

    fn bytes(self) -> u64 {
        u64::from(self.memory) << 20
    }

    /// Controller, file and value, in the order in which the kernel takes them.
    fn files(self, version: Version) -> Vec<(&'static str, &'static str, String)> {
        let (quota, bytes) = (self.quota(), self.bytes());
        match version {
            Version::One => vec![
                ("cpu", "cpu.cfs_period_us", PERIOD.to_string()),
                ("cpu", "cpu.cfs_quota_us", quota.to_string()),
                ("cpu", "cpu.shares", self.cpu.max(2).to_string()),
                ("memory", "memory.limit_in_bytes", bytes.to_string()),
                ("memory", "memory.memsw.limit_in_bytes", bytes.to_string()),
                ("pids", "pids.max", PROCESSES.to_string()),
            ],
            Version::Two => vec![
                ("cpu", "cpu.max", format!("{quota} {PERIOD}")),
                ("cpu", "cpu.weight", weight(self.cpu).to_string()),
                ("memory", "memory.max", bytes.to_string()),
                ("memory", "memory.swap.max", "0".to_owned()),
                ("pids", "pids.max", PROCESSES.to_string()),
            ],
        }
    }
}

/// Shares of version 1 (2 to 262144) as weight of version 2 (1 to 10000), as runtimes convert them.
fn weight(shares: u32) -> u64 {
    let shares = u64::from(shares.clamp(2, 262_144));
    1 + (shares - 2) * 9999 / 262_142
}

/// The group of a task.
#[derive(Clone, Debug)]
pub struct Group {
    /// Below the mount, or below that of each controller.
    path: PathBuf,
}

impl Group {
    /// That of a task.
    pub fn of_task(lab: &str, task: &str) -> Group {
        Group { path: Path::new(TOP).join(lab).join(task) }
    }

    /// The group of one of its containers, as a runtime's configuration names it.
    pub fn container(&self, name: &str) -> PathBuf {
        Path::new("/").join(&self.path).join(name)
    }

    /// Makes it with these limits. Gives what this machine cannot hold the task to.
    pub fn create(&self, limits: Limits) -> Vec<String> {
        let version = Version::of_this_machine();
        if version == Version::Two {
            let mut above = PathBuf::from(MOUNT);
            for component in &self.path {
                // One at a time: a controller that is not there must not keep the others away.
                for controller in ["+cpu", "+memory", "+pids"] {
                    let _ = fs::write(above.join("cgroup.subtree_control"), controller);
                }
                above.push(component);
                let _ = fs::create_dir(&above);
            }
            for controller in ["+cpu", "+memory", "+pids"] {
                let _ = fs::write(above.join("cgroup.subtree_control"), controller);
            }
        }
        let mut warnings = Vec::new();
        for (controller, file, value) in limits.files(version) {
            let group = match version {
                Version::One => Path::new(MOUNT).join(controller).join(&self.path),
                Version::Two => Path::new(MOUNT).join(&self.path),
            };
            // Without the controller nothing is mounted there, and no group can be made.
            let there =
                version == Version::Two || Path::new(MOUNT).join(controller).join("cgroup.procs").exists();
            let written = if there {
                fs::create_dir_all(&group).and_then(|()| fs::write(group.join(file), &value))
            } else {
                Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no controller {controller}")))
            };
            if let Err(error) = written {
                // Where there is no swap accounting, there is mostly no swap.
                if !(file.contains("swap") || file.contains("memsw")) {
                    warnings.push(format!("{file} cannot be set to {value} for the task: {error}"));
                }
            }
        }
        warnings
    }

    /// How many processes of a container the kernel has killed for want of memory.
    pub fn killed_for_memory(&self, container: &str) -> u64 {
        let file = match Version::of_this_machine() {
            Version::One => {
                Path::new(MOUNT).join("memory").join(&self.path).join(container).join("memory.oom_control")
            }
            Version::Two => Path::new(MOUNT).join(&self.path).join(container).join("memory.events"),
        };
        counted(&fs::read_to_string(file).unwrap_or_default())
    }

    /// Kills what is in it and removes it. What is gone already is no error.
    pub fn remove(&self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        let mut last = Ok(());
        for root in roots()? {
            let group = root.join(&self.path);
            loop {
                last = remove_tree(&group);
                if last.is_ok() || Instant::now() > deadline {
                    break;
                }
                // A process that was killed takes a moment to be gone.
                std::thread::sleep(timeouts::GROUP_POLL);
            }
            last.as_ref().map_err(|error| {
                io::Error::new(error.kind(), format!("cannot remove the group {}: {error}", group.display()))
            })?;
        }
        last
    }

    /// Removes the group of a lab, and the one above it when no other lab has any.
    pub fn remove_lab(lab: &str, patience: Duration) -> io::Result<()> {
        Group { path: Path::new(TOP).join(lab) }.remove(patience)?;
        for root in roots()? {
            let _ = fs::remove_dir(root.join(TOP));
        }
        Ok(())
    }
}

/// `oom_kill N` among lines of that form.
fn counted(events: &str) -> u64 {
    let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Where groups can be: below the mount in version 2; in version 1 below each controller, and what else is mounted there.
fn roots() -> io::Result<Vec<PathBuf>> {
    let mut roots = vec![PathBuf::from(MOUNT)];
    let entries = match fs::read_dir(MOUNT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let is_mount = statfs(&path)
            .is_ok_and(|found| [CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC].contains(&found.filesystem_type()));
        if is_mount && path.join(TOP).is_dir() {
            roots.push(path);
        }
    }
    Ok(roots)
}

fn remove_tree(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for process in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Ok(process) = process.parse() {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    }
    let mut result = Ok(());
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            result = result.and(remove_tree(&entry.path()));
        }
    }
    result?;
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(version: Version, cpu: u32, memory: u32, file: &str) -> String {
        let files = Limits { cpu, memory }.files(version);
        files.into_iter().find(|(_, name, _)| *name == file).unwrap().2
    }

    #[test]
    fn cpu_units_become_a_share_of_each_period() {
        assert_eq!(value(Version::One, 256, 512, "cpu.cfs_quota_us"), "25000");
        assert_eq!(value(Version::One, 4096, 512, "cpu.cfs_quota_us"), "400000");
        assert_eq!(value(Version::Two, 512, 512, "cpu.max"), "50000 100000");
        assert_eq!(value(Version::Two, 1, 512, "cpu.max"), "1000 100000");
    }

    #[test]
    fn memory_is_in_mebibytes_and_there_is_no_swap() {
        assert_eq!(value(Version::One, 256, 512, "memory.limit_in_bytes"), "536870912");
        assert_eq!(value(Version::One, 256, 512, "memory.memsw.limit_in_bytes"), "536870912");
        assert_eq!(value(Version::Two, 256, 30720, "memory.max"), "32212254720");
        assert_eq!(value(Version::Two, 256, 30720, "memory.swap.max"), "0");
    }

    #[test]
    fn shares_become_weights_at_both_ends() {
        assert_eq!((weight(0), weight(2), weight(262_144)), (1, 1, 10_000));
    }

    #[test]
    fn the_count_of_kills_is_found_in_either_version() {
        assert_eq!(counted("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(counted("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 0\n"), 2);
        assert_eq!(counted(""), 0);
    }
}
