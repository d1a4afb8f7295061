//! What a lab has on the machine, found without asking the lab.

use super::{
    command::run,
    lab::{SOON, TestLab},
    wait_for,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A process of the machine.
pub(crate) struct Process {
    pub(crate) pid: i32,
}

impl Process {
    fn entries(&self, file: &str) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/{file}", self.pid)).unwrap_or_default();
        let entries = bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        entries.map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
    }

    /// The words it was called with.
    pub(crate) fn command_line(&self) -> Vec<String> {
        self.entries("cmdline")
    }

    /// The environment it began with.
    pub(crate) fn environment(&self) -> Vec<String> {
        self.entries("environ")
    }

    /// The letter of its state: `T` where it is stopped.
    pub(crate) fn state(&self) -> char {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        state.and_then(|state| state.trim().chars().next()).unwrap_or('X')
    }

    /// The control groups it is in.
    pub(crate) fn groups(&self) -> String {
        fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default()
    }

    /// The process that it is of.
    pub(crate) fn parent(&self) -> Option<Process> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        Some(Process { pid: parent.trim().parse().ok()? })
    }

    /// The part of a lab that it is of, unless its parent is of the same: what a part's first process has started does not
    /// count.
    pub(crate) fn part(&self, lab: &str) -> Option<String> {
        let mark = format!("HELLO_LAB_PART={lab}/");
        let part_of = |process: &Process| {
            process.environment().into_iter().find_map(|entry| Some(entry.strip_prefix(&mark)?.to_owned()))
        };
        let part = part_of(self)?;
        (self.parent().and_then(|parent| part_of(&parent)).as_ref() != Some(&part)).then_some(part)
    }

    /// Is it the first of its process group?
    pub(crate) fn leads_its_group(&self) -> bool {
        let pid = nix::unistd::Pid::from_raw(self.pid);
        nix::unistd::getpgid(Some(pid)) == Ok(pid)
    }

    /// Where it works; for a process inside a container this is a path of the container.
    fn directory(&self) -> PathBuf {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).unwrap_or_default()
    }
}

/// All processes.
pub(crate) fn processes() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| Some(Process { pid: entry.file_name().to_str()?.parse().ok()? }))
}

/// Names of all network namespaces.
pub(crate) fn namespaces() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Everything on the machine that belongs to a lab, and everything shared that a lab might change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// What carries the lab's name or lies in its directory.
    own: BTreeSet<String>,
    /// Links, tables and routes of the machine's own namespace.
    shared: BTreeSet<String>,
}

impl Footprint {
    /// As it is now.
    pub(crate) fn of(lab: &TestLab) -> Footprint {
        let mut own = BTreeSet::new();
        let (name, directory) = (lab.name(), lab.directory());
        own.extend(
            namespaces()
                .into_iter()
                .filter(|namespace| namespace.starts_with(&format!("hl-{name}-")))
                .map(|namespace| format!("namespace {namespace}")),
        );
        let mark = format!("HELLO_LAB_PART={name}/");
        for process in processes() {
            let words = process.command_line();
            let of_lab = process.environment().iter().any(|entry| entry.starts_with(&mark))
                || words.iter().any(|word| word.contains(directory.to_str().unwrap()))
                || process.directory().starts_with(directory);
            if of_lab {
                own.insert(format!("process {} {}", process.pid, words.join(" ")));
            }
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let of_lab = mounts.lines().filter(|line| {
            line.contains(directory.to_str().unwrap()) || line.contains(&format!("/hl-{name}-"))
        });
        own.extend(of_lab.map(|line| format!("mount {line}")));
        own.extend(
            groups()
                .into_iter()
                .filter(|group| group.file_name().is_some_and(|last| last == name))
                .map(|group| format!("cgroup {}", group.display())),
        );
        for loop_device in output("losetup", &["--list", "--noheadings", "--output", "NAME,BACK-FILE"]) {
            if loop_device.contains(directory.to_str().unwrap()) {
                own.insert(format!("loop device {loop_device}"));
            }
        }
        for place in ["data", "run"] {
            if directory.join(place).join(name).exists() {
                own.insert(format!("directory {place}/{name}"));
            }
        }
        let state = lab.terraform_file("single-region/terraform.tfstate.d").join(name);
        if state.exists() {
            own.insert(format!("state {}", state.display()));
        }
        let mut shared = BTreeSet::new();
        let links = output("ip", &["-oneline", "link", "show"]);
        let name_of = |line: &String| line.split(':').nth(1).map(|name| format!("link {}", name.trim()));
        shared.extend(links.iter().filter_map(name_of));
        shared.extend(
            output("ip", &["-oneline", "route", "show", "table", "all"])
                .into_iter()
                .map(|line| format!("route {}", without_age(&line))),
        );
        shared.extend(output("ip", &["rule", "show"]).into_iter().map(|line| format!("rule {line}")));
        shared.extend(output("nft", &["list", "tables"]).into_iter().map(|line| format!("nftables {line}")));
        Footprint { own, shared }
    }

    /// How much of the lab there is.
    pub(crate) fn size(&self) -> usize {
        self.own.len()
    }

    /// Waits until nothing of the lab is there, and nothing shared is there that was not before. Other tests of the
    /// machine have parts that come and go.
    #[track_caller]
    pub(crate) fn is_restored(&self, lab: &TestLab) {
        wait_for("nothing of the lab is left", SOON, || {
            let now = Footprint::of(lab);
            let mut left: Vec<String> = now.own.into_iter().collect();
            left.extend(now.shared.difference(&self.shared).cloned());
            if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
        });
    }
}

/// A route without the time that it stays: those that a router has told of are told of again and again.
fn without_age(route: &str) -> String {
    let mut words = route.split_whitespace();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if word == "expires" {
            words.next();
        } else {
            kept.push(word);
        }
    }
    kept.join(" ")
}

/// All control groups that may be a lab's.
pub(crate) fn groups() -> Vec<PathBuf> {
    let mut groups = Vec::new();
    groups_below(Path::new("/sys/fs/cgroup"), 4, &mut groups);
    groups
}

fn groups_below(directory: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        found.push(entry.path());
        if depth > 0 {
            groups_below(&entry.path(), depth - 1, found);
        }
    }
}

fn output(program: &str, arguments: &[&str]) -> Vec<String> {
    run(Command::new(program).args(arguments), SOON).ok().lines().map(str::to_owned).collect()
}
