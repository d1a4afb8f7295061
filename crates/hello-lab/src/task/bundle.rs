//! A container as the runtime wants it: `config.json` and the files that are bound into the container.
//!
//! What a container may do is what Fargate lets it do, and no more: no device but the usual ones, no new privileges, and
//! no capability where it does not run as root. Root keeps the capabilities that Docker gives by default, but for those
//! that the task definition drops.
//!
//! - [`user`]: names and numbers of users

pub mod user;

use crate::{
    registry::oci::Execution,
    task::{
        bundle::user::Ids,
        model::{Container, Task},
    },
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What Docker leaves to root in a container, and so ECS. Linux knows them with the prefix `CAP_`.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html>
const ROOT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Open files of a process: the default of Fargate.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html>
const OPEN_FILES: u64 = 65_535;
/// Where programs are looked for when the image does not say.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A container about to be described.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// Its task.
    pub task: &'a Task,
    /// The container.
    pub container: &'a Container,
    /// How its image is run.
    pub execution: &'a Execution,
    /// Who it runs as.
    pub ids: &'a Ids,
    /// The directory of the bundle, with `resolv.conf` and `hosts`.
    pub directory: &'a Path,
    /// Its root file system.
    pub root: &'a Path,
    /// Where its network namespace is pinned.
    pub namespace: PathBuf,
    /// Its control group.
    pub group: PathBuf,
    /// As many files may be open on this machine.
    pub most_open_files: u64,
}

impl Bundle<'_> {
    /// `config.json` (OCI runtime specification).
    pub fn config(&self) -> Result<Value, String> {
        let bind = |destination: &str, file: &str| {
            json!({
                "destination": destination, "type": "bind", "source": self.directory.join(file),
                "options": ["bind", "ro", "nosuid", "noexec", "nodev"],
            })
        };
        let open_files = OPEN_FILES.min(self.most_open_files);
        let capabilities = self.capabilities();
        let Ids { uid, gid, groups } = self.ids;
        let directory = self.execution.working_dir.as_deref().filter(|directory| !directory.is_empty());
        Ok(json!({
            "ociVersion": "1.0.2",
            "hostname": host_name(self.task),
            "process": {
                "terminal": false,
                "user": { "uid": uid, "gid": gid, "additionalGids": groups, "umask": 0o022 },
                "args": self.arguments()?,
                "env": self.environment(),
                "cwd": directory.unwrap_or("/"),
                "noNewPrivileges": true,
                "capabilities": {
                    "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
                    "inheritable": [], "ambient": [],
                },
                "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": open_files, "soft": open_files }],
            },
            "root": { "path": self.root, "readonly": self.container.read_only_root },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                  "options": ["nosuid", "strictatime", "mode=755", "size=64k"] },
                { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                  "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
                { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                  "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=64m"] },
                { "destination": "/sys", "type": "sysfs", "source": "sysfs",
                  "options": ["nosuid", "noexec", "nodev", "ro"] },
                bind("/etc/resolv.conf", "resolv.conf"),
                bind("/etc/hosts", "hosts"),
                bind("/etc/hostname", "hostname"),
            ],
            "linux": {
                "namespaces": [
                    { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
                    { "type": "network", "path": self.namespace },
                ],
                "cgroupsPath": self.group,
                "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
                "maskedPaths": [
                    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
                ],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        }))
    }

    /// The files that are bound into the container, by name.
    pub fn files(&self) -> [(&'static str, String); 3] {
        let host = host_name(self.task);
        let short = host.split('.').next().unwrap_or_default();
        [
            ("resolv.conf", format!("nameserver {}\n", self.task.resolver)),
            ("hosts", format!("127.0.0.1 localhost\n{} {host} {short}\n", self.task.address)),
            ("hostname", format!("{host}\n")),
        ]
    }

    /// An entry point of the task takes the image's command away with the image's entry point, as in Docker.
    fn arguments(&self) -> Result<Vec<String>, String> {
        let own = self.container.entry_point.as_ref().filter(|words| !words.is_empty());
        let entry_point = own.or(self.execution.entrypoint.as_ref()).cloned().unwrap_or_default();
        let of_image = if own.is_some() { None } else { self.execution.cmd.as_ref() };
        let command = self.container.command.as_ref().filter(|words| !words.is_empty()).or(of_image);
        let arguments: Vec<_> = entry_point.into_iter().chain(command.cloned().unwrap_or_default()).collect();
        if arguments.is_empty() {
            return Err(
                "no command specified: neither the image nor the task definition names a program".to_owned()
            );
        }
        Ok(arguments)
    }

    /// Later ones win: the image's, what ECS sets, the task definition's, its secrets.
    fn environment(&self) -> Vec<String> {
        let of_image = self.execution.env.iter().flatten();
        let of_image = of_image.map(|entry| entry.split_once('=').unwrap_or((entry, "")));
        let host = host_name(self.task);
        let set = [
            ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE"),
            ("AWS_DEFAULT_REGION", &*self.task.region),
            ("AWS_REGION", &*self.task.region),
            ("HOSTNAME", &*host),
        ];
        let plain = self.container.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let secret = self.container.secrets.iter().map(|(name, value)| (name.as_str(), value.reveal()));
        let mut entries: Vec<(&str, &str)> = Vec::new();
        for (name, value) in
            [("PATH", SEARCH_PATH)].into_iter().chain(of_image).chain(set).chain(plain).chain(secret)
        {
            match entries.iter_mut().find(|(known, _)| *known == name) {
                Some(entry) => entry.1 = value,
                None => entries.push((name, value)),
            }
        }
        entries.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn capabilities(&self) -> Vec<String> {
        if self.ids.uid != 0 {
            return Vec::new();
        }
        let dropped = |name: &str| {
            self.container.dropped_capabilities.iter().any(|dropped| {
                dropped.eq_ignore_ascii_case("ALL")
                    || dropped.trim_start_matches("CAP_").eq_ignore_ascii_case(name)
            })
        };
        ROOT_CAPABILITIES.iter().filter(|name| !dropped(name)).map(|name| format!("CAP_{name}")).collect()
    }
}

/// The name that the VPC's DNS gives to the task's address.
fn host_name(task: &Task) -> String {
    let [a, b, c, d] = task.address.octets();
    let domain = if task.region == "us-east-1" {
        "ec2.internal".to_owned()
    } else {
        format!("{}.compute.internal", task.region)
    };
    format!("ip-{a}-{b}-{c}-{d}.{domain}")
}

#[cfg(test)]
mod tests;
