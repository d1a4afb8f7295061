//! What a machine must have before anything is made: all that is missing, in one go, each with the way out.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What, in a sentence.
    pub what: String,
    /// What to do about it.
    pub way_out: String,
}

/// Where Debian keeps PostgreSQL's versions.
pub const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Programs and the Debian packages that have them.
const PROGRAMS: &[(&str, &str)] = &[
    ("nft", "nftables"),
    ("haproxy", "haproxy"),
    ("crun", "crun"),
    ("docker-registry", "docker-registry"),
    ("setpriv", "util-linux"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mount", "mount"),
];

/// File systems and devices of the kernel that parts need.
const FILE_SYSTEMS: &[&str] = &["overlay", "tmpfs"];

/// Free disk space below which a lab is not begun, in bytes: images, clusters and their logs.
const LEAST_DISK: u64 = 2 << 30;

/// What is looked at, so that tests can give another machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Directories in which programs are looked for.
    pub path: Vec<PathBuf>,
    /// Where PostgreSQL's versions are.
    pub postgresql: PathBuf,
    /// `/proc/filesystems`
    pub file_systems: String,
    /// Are we root?
    pub root: bool,
    /// Where the lab's files go.
    pub data: PathBuf,
    /// The port to be published; `None` for any free one, and where it is published already.
    pub port: Option<u16>,
}

impl Machine {
    /// This machine.
    pub fn this(data: &Path, port: Option<u16>) -> Machine {
        let mut path: Vec<PathBuf> =
            std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
        // Root's programs are not on everybody's path.
        path.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
        Machine {
            path,
            postgresql: PathBuf::from(POSTGRESQL),
            file_systems: fs::read_to_string("/proc/filesystems").unwrap_or_default(),
            root: nix::unistd::Uid::effective().is_root(),
            data: data.to_owned(),
            port,
        }
    }

    fn has(&self, program: &str) -> bool {
        self.path.iter().any(|directory| directory.join(program).is_file())
    }
}

/// Everything that is missing; empty where the lab can begin.
pub fn problems(machine: &Machine) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |what: String, way_out: String| problems.push(Problem { what, way_out });
    if !machine.root {
        problem(
            "network namespaces and containers need root".to_owned(),
            "run it as root: sudo make lab".to_owned(),
        );
    }
    let missing: Vec<_> = PROGRAMS.iter().filter(|(program, _)| !machine.has(program)).collect();
    if !missing.is_empty() {
        let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
        let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
        problem(
            format!("these programs are not installed: {}", programs.join(", ")),
            format!("apt-get install --no-install-recommends {}", packages.join(" ")),
        );
    }
    if newest_postgresql(&machine.postgresql).is_none() {
        problem("no PostgreSQL server is installed".to_owned(), "apt-get install postgresql".to_owned());
    }
    if !machine.has("terraform") {
        problem(
            "terraform is not installed".to_owned(),
            "install Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install".to_owned(),
        );
    }
    let known: Vec<&str> = machine.file_systems.split_whitespace().collect();
    for needed in FILE_SYSTEMS.iter().filter(|needed| !known.contains(needed)) {
        problem(
            format!("the kernel has no {needed} file system"),
            format!("load it: modprobe {needed}, or use a kernel that has it"),
        );
    }
    let existing = machine.data.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"));
    if let Ok(disk) = nix::sys::statvfs::statvfs(existing) {
        let free = disk.blocks_available() * disk.fragment_size();
        if free < LEAST_DISK {
            problem(
                format!(
                    "{} has {} MiB free, and a lab needs {} MiB",
                    existing.display(),
                    free >> 20,
                    LEAST_DISK >> 20
                ),
                "free some space, or set HELLO_LAB_DATA to a directory on another disk".to_owned(),
            );
        }
    }
    if let Some(port) = machine.port.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err()) {
        problem(
            format!("port {port} of this machine is taken"),
            "end what listens there, or choose another: --port 9443".to_owned(),
        );
    }
    problems
}

/// The newest major version of PostgreSQL's server below `directory`.
pub fn newest_postgresql(directory: &Path) -> Option<u32> {
    let versions = fs::read_dir(directory).ok()?.flatten();
    let installed = versions.filter(|version| version.path().join("bin/postgres").is_file());
    installed.filter_map(|version| version.file_name().to_str()?.parse().ok()).max()
}

/// Finds a program where root's programs are too.
pub fn find_program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let machine = Machine::this(Path::new("/"), None);
    machine.path.iter().map(|directory| directory.join(name.as_ref())).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_named_in_one_go() {
        let directory = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let machine = Machine {
            path: vec![directory.path().to_owned()],
            postgresql: directory.path().join("none"),
            file_systems: "nodev\ttmpfs\n".to_owned(),
            root: false,
            data: directory.path().to_owned(),
            port: Some(taken.local_addr().unwrap().port()),
        };
        let problems = problems(&machine);
        let whole: Vec<String> =
            problems.iter().map(|problem| format!("{}: {}", problem.what, problem.way_out)).collect();
        let whole = whole.join("\n");
        for word in ["root", "nft", "apt-get install", "postgresql", "terraform", "overlay", "--port"] {
            assert!(whole.contains(word), "{word} is not in:\n{whole}");
        }
        assert!(!whole.contains("no tmpfs"));
    }
}
