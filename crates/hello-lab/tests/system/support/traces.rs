//! What a lab's parts leave on the machine while it stands, without what differs from one life of a part to the next: so
//! that two moments at which the same should stand can be compared.

use super::{
    lab::{SOON, TestLab},
    machine, wait_for,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// How deep the files of each directory are looked at: below there is content. What is kept on purpose when a part goes
/// (images, the registry's blobs, certificates, the store, PostgreSQL's copy) is not looked at.
const DEPTHS: &[(&str, usize)] = &[
    ("run/databases", 2),
    ("run/dns", 2),
    ("run/load-balancers", 3),
    ("run/processes", 1),
    ("run/publish", 1),
    ("run/published", 1),
    ("run/registry", 1),
    ("run/tasks", 2),
    ("data/databases", 2),
    ("data/logs", 2),
    ("data/snapshots", 1),
    ("data/tasks", 1),
];

/// How often each thing is there, by its name without numbers and identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traces(BTreeMap<String, usize>);

impl Traces {
    /// As they are now.
    pub(crate) fn of(lab: &TestLab) -> Traces {
        let mut found = Vec::new();
        let names = machine::namespaces().into_iter();
        let prefix = format!("hl-{}-", lab.name());
        found.extend(names.filter_map(|name| Some(format!("namespace {}", name.strip_prefix(&prefix)?))));
        let parts = machine::processes().filter_map(|process| process.part(lab.name()));
        found.extend(parts.map(|part| format!("process {part}")));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let directory = lab.directory().to_str().unwrap().to_owned();
        let below = |line: &str| {
            let point = line.split(' ').nth(4)?.strip_prefix(&directory)?.to_owned();
            Some(format!("mount {point}"))
        };
        found.extend(mounts.lines().filter_map(below));
        for group in machine::groups().into_iter().filter(|group| is_below_lab(group, lab.name())) {
            found.push(format!("cgroup {}", group.display()));
        }
        for (place, depth) in DEPTHS {
            let (root, rest) = place.split_once('/').unwrap();
            let top = lab.directory().join(root).join(lab.name()).join(rest);
            files(&top, place, *depth, &mut found);
        }
        found.extend(records(lab));
        let mut traces = BTreeMap::new();
        for name in found {
            *traces.entry(without_numbers(&name)).or_default() += 1;
        }
        Traces(traces)
    }

    /// Waits until the same is there: what was asked to go may take a moment.
    #[track_caller]
    pub(crate) fn are_back(&self, lab: &TestLab, when: &str) {
        wait_for(&format!("{when}, the same stands as after an undisturbed run"), SOON, || {
            let now = Traces::of(lab);
            let names: BTreeSet<&String> = self.0.keys().chain(now.0.keys()).collect();
            let count = |traces: &Traces, name: &str| traces.0.get(name).copied().unwrap_or(0);
            let differing: Vec<String> = names
                .into_iter()
                .filter(|name| count(self, name) != count(&now, name))
                .map(|name| format!("{name}: {} and not {}", count(&now, name), count(self, name)))
                .collect();
            if differing.is_empty() { Ok(()) } else { Err(differing.join("\n")) }
        });
    }
}

/// The rows of the store, by kind; of resources their type too. Also what Terraform has lost sight of.
fn records(lab: &TestLab) -> Vec<String> {
    let store = lab.directory().join("data").join(lab.name()).join("store/store.db");
    let store =
        rusqlite::Connection::open_with_flags(store, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(SOON).unwrap();
    let mut statement = store.prepare("SELECT kind, key FROM item").unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    rows.map(|row| {
        let (kind, key) = row.unwrap();
        let which = if kind == "resource" { key.split('/').next().unwrap_or_default() } else { &key };
        format!("row {kind} {which}")
    })
    .collect()
}

fn is_below_lab(group: &Path, lab: &str) -> bool {
    group.ancestors().any(|directory| directory.file_name().is_some_and(|name| name == lab))
}

fn files(directory: &PathBuf, name: &str, depth: usize, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        // A whole file in the making.
        if Path::new(&name).extension().is_some_and(|extension| extension == "new") {
            continue;
        }
        found.push(format!("file {name}"));
        if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&entry.path(), &name, depth - 1, found);
        }
    }
}

/// The name with `#` for each number, and `*` for what looks like an identifier.
fn without_numbers(name: &str) -> String {
    const SHORTEST_IDENTIFIER: usize = 8;
    let mut text = String::new();
    let mut run = String::new();
    for letter in name.chars().chain(['\n']) {
        if letter.is_ascii_hexdigit() && !letter.is_ascii_uppercase() {
            run.push(letter);
            continue;
        }
        if run.len() >= SHORTEST_IDENTIFIER {
            text.push('*');
        } else {
            let mut in_number = false;
            for letter in run.chars() {
                let digit = letter.is_ascii_digit();
                if !digit {
                    text.push(letter);
                } else if !in_number {
                    text.push('#');
                }
                in_number = digit;
            }
        }
        run.clear();
        text.push(letter);
    }
    text.trim_end().to_owned()
}
