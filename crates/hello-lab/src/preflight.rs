//! What a machine must have before anything is made: all that is missing, in one go, each with the way out.

use crate::{network, process::User};
use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What, in a sentence.
    pub what: String,
    /// What to do about it.
    pub way_out: String,
    /// Can a lab not run without it?
    pub stops: bool,
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
    ("e2fsck", "e2fsprogs"),
    ("resize2fs", "e2fsprogs"),
    ("mount", "mount"),
    ("losetup", "mount"),
];

/// Users that parts run as, and the Debian packages that make them.
const USERS: &[(&str, &str)] =
    &[("postgres", "postgresql-common"), ("haproxy", "haproxy"), ("docker-registry", "docker-registry")];

/// The oldest version of Terraform that knows write-only arguments.
/// <https://developer.hashicorp.com/terraform/language/manage-sensitive-data/write-only>
const LEAST_TERRAFORM: (u32, u32) = (1, 11);

/// File systems and devices of the kernel that parts need.
const FILE_SYSTEMS: &[&str] = &["overlay", "tmpfs", "ext4"];

/// Free disk space below which a lab is not begun, in bytes: images, clusters and their logs.
const LEAST_DISK: u64 = 2 << 30;

/// What is looked at, so that tests can give another machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Directories in which programs are looked for.
    pub path: Vec<PathBuf>,
    /// Where PostgreSQL's versions are.
    pub postgresql: PathBuf,
    /// What `terraform version -json` says, where it can be run.
    pub terraform: Option<String>,
    /// Users that there are, of those that parts run as.
    pub users: Vec<String>,
    /// `/proc/filesystems`
    pub file_systems: String,
    /// Are there loop devices?
    pub loop_devices: bool,
    /// What the kernel cannot do of what the network is made of, each as a sentence.
    pub network: Vec<String>,
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
        let root = nix::unistd::Uid::effective().is_root();
        let there = USERS.iter().filter(|(user, _)| User::named(user).is_ok());
        Machine {
            path: search_path(),
            terraform: find_program("terraform").and_then(|program| terraform_version(&program)),
            users: there.map(|(user, _)| (*user).to_owned()).collect(),
            loop_devices: Path::new("/dev/loop-control").exists(),
            // Without these it is not known, and they are missed elsewhere.
            network: if root && find_program("nft").is_some() { network::lacking() } else { Vec::new() },
            postgresql: PathBuf::from(POSTGRESQL),
            file_systems: fs::read_to_string("/proc/filesystems").unwrap_or_default(),
            root,
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
    if !machine.loop_devices {
        problems.push(Problem {
            what: "there are no loop devices: a database can fill this machine's disk, and not only its own"
                .to_owned(),
            way_out:
                "load them: modprobe loop; in a container, pass /dev/loop-control and /dev/loop* into it"
                    .to_owned(),
            stops: false,
        });
    }
    let mut problem = |what: String, way_out: String| problems.push(Problem { what, way_out, stops: true });
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
    let (major, minor) = LEAST_TERRAFORM;
    let terraform = if machine.has("terraform") {
        let said = machine.terraform.as_deref().unwrap_or_default();
        match version(said) {
            Some(found) if found >= LEAST_TERRAFORM => None,
            Some((old_major, old_minor)) => Some(format!("terraform {old_major}.{old_minor} is too old")),
            None => Some("terraform does not say which version it is".to_owned()),
        }
    } else {
        Some("terraform is not installed".to_owned())
    };
    if let Some(what) = terraform {
        let page = "https://developer.hashicorp.com/terraform/install";
        problem(what, format!("install Terraform {major}.{minor} or later: {page}"));
    }
    let missing: Vec<_> =
        USERS.iter().filter(|(user, _)| !machine.users.iter().any(|there| there == user)).collect();
    if !missing.is_empty() {
        let users: Vec<_> = missing.iter().map(|(user, _)| *user).collect();
        let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
        problem(
            format!("these users, which parts run as, do not exist: {}", users.join(", ")),
            format!("their packages make them: apt-get install --reinstall {}", packages.join(" ")),
        );
    }
    for what in &machine.network {
        problem(
            what.clone(),
            "load the modules: modprobe -a veth nf_tables nf_nat nf_conntrack; in a container, give it CAP_NET_ADMIN and \
             CAP_SYS_ADMIN"
                .to_owned(),
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

/// Directories in which programs are looked for.
fn search_path() -> Vec<PathBuf> {
    let mut path: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    // Root's programs are not on everybody's path.
    path.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    path
}

/// What a terraform says of itself; it asks nobody whether there is a newer one.
fn terraform_version(program: &Path) -> Option<String> {
    let mut command = Command::new(program);
    // Where it finds no configuration whose providers it would tell of too.
    command.args(["version", "-json"]).env("CHECKPOINT_DISABLE", "1").current_dir("/");
    let said = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(said.stdout).ok()
}

/// Major and minor version in what `terraform version -json` says.
fn version(said: &str) -> Option<(u32, u32)> {
    let said: serde_json::Value = serde_json::from_str(said).ok()?;
    let mut numbers = said["terraform_version"].as_str()?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Finds a program where root's programs are too.
pub fn find_program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    search_path().iter().map(|directory| directory.join(name.as_ref())).find(|path| path.is_file())
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
            terraform: None,
            users: vec!["haproxy".to_owned()],
            file_systems: "nodev\ttmpfs\n".to_owned(),
            loop_devices: false,
            network: vec!["the kernel has no veth".to_owned()],
            root: false,
            data: directory.path().to_owned(),
            port: Some(taken.local_addr().unwrap().port()),
        };
        let problems = problems(&machine);
        let whole: Vec<String> =
            problems.iter().map(|problem| format!("{}: {}", problem.what, problem.way_out)).collect();
        let whole = whole.join("\n");
        for word in [
            "root",
            "nft",
            "apt-get install",
            "postgresql",
            "terraform",
            "overlay",
            "ext4",
            "loop devices",
            "veth",
            "exist: postgres, docker-registry",
            "--reinstall postgresql-common docker-registry",
            "--port",
        ] {
            assert!(whole.contains(word), "{word} is not in:\n{whole}");
        }
        assert!(!whole.contains("no tmpfs"));
    }

    #[test]
    fn a_terraform_without_write_only_arguments_is_too_old() {
        let said =
            |version: &str| format!(r#"{{"terraform_version": "{version}", "platform": "linux_amd64"}}"#);
        for (number, is_fine) in
            [("1.5.7", false), ("1.10.5", false), ("1.11.0", true), ("1.15.0-beta1", true), ("2.0.0", true)]
        {
            let found = version(&said(number)).unwrap();
            assert_eq!(found >= LEAST_TERRAFORM, is_fine, "{number}");
        }
        assert_eq!(version("Terraform v1.5.7"), None);
    }

    #[test]
    fn the_network_of_this_machine_is_tried_and_not_guessed() {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "this test makes a network namespace: run it as root"
        );
        assert_eq!(network::lacking(), Vec::<String>::new());
    }
}
