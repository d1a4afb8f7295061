//! Attributes that are changed with Terraform: each must count on the real part, and replace no more than AWS would.
//!
//! Several go into one apply where they do not hide each other.
//!
//! - [`in_place`]: load balancer, log groups, databases and tasks
//! - [`network`]: what lies below them

mod in_place;
mod network;

use crate::support::{
    lab::{LONG, SOON, TestLab},
    load::Client,
    parts::Part,
    wait_for,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A lab whose configuration changes.
struct Changing {
    lab: TestLab,
    client: Client,
    /// Variables that were set so far, as `NAME=VALUE`.
    variables: Vec<String>,
}

impl Changing {
    fn standing() -> Changing {
        let lab = TestLab::standing();
        let client = Client::of(&lab);
        let changing = Changing { lab, client, variables: Vec::new() };
        changing.serves();
        changing
    }

    /// Changes texts in a file of the modules. Each must be there.
    #[track_caller]
    fn edit(&self, file: &str, edits: &[(&str, &str)]) {
        let file = self.lab.terraform_file("modules").join(file);
        let mut text = fs::read_to_string(&file).unwrap();
        for (before, after) in edits {
            assert!(text.contains(before), "{before} is not in {}", file.display());
            text = text.replace(before, after);
        }
        fs::write(file, text).unwrap();
    }

    /// Sets variables, applies, and insists that exactly `gone` was destroyed. Then the plan is clean, and the service
    /// serves.
    #[track_caller]
    fn apply(&mut self, variables: &[&str], gone: &[&str]) {
        for variable in variables {
            let name = variable.split_once('=').unwrap().0;
            self.variables.retain(|other| other.split_once('=').unwrap().0 != name);
            self.variables.push((*variable).to_owned());
        }
        let said = self.lab.apply(&self.words());
        let destroyed: BTreeSet<&str> = said
            .lines()
            .filter_map(|line| line.split_once(": Destruction complete"))
            .map(|(address, _)| address.split_once("].").map_or(address, |(_, rest)| rest))
            .map(|address| address.strip_prefix("module.region.").unwrap_or(address))
            .collect();
        assert_eq!(destroyed, gone.iter().copied().collect(), "{said}");
        // Not every apply waits for what it changes.
        wait_for("every part is as it should be", LONG, || self.lab.settles());
        self.lab.plan_is_clean_with(&self.words());
    }

    fn words(&self) -> Vec<&str> {
        self.variables.iter().map(String::as_str).collect()
    }

    /// Everybody is greeted, by each node of the load balancer.
    #[track_caller]
    fn serves(&self) {
        let nodes: Vec<_> = self.lab.parts().nodes.iter().filter_map(|node| node.public).collect();
        assert!(nodes.len() >= 2, "{nodes:?}");
        self.client.writes(&nodes);
    }

    fn run_directory(&self) -> PathBuf {
        self.lab.directory().join("run").join(self.lab.name())
    }

    /// Waits until the configuration of every node of the load balancer has a text.
    #[track_caller]
    fn balancer_has(&self, texts: &[&str]) {
        let wanted = self.lab.parts().nodes.len();
        wait_for(&format!("the load balancer has {texts:?}"), SOON, || {
            let mut found = Vec::new();
            files(&self.run_directory().join("load-balancers"), "haproxy.cfg", &mut found);
            let configurations: Vec<_> =
                found.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
            let has =
                |text: &&&str| configurations.iter().all(|configuration| configuration.contains(**text));
            let missing: Vec<_> = texts.iter().filter(|text| !has(text)).collect();
            if missing.is_empty() && configurations.len() >= wanted {
                Ok(())
            } else {
                Err(format!("{missing:?} in {} files of {wanted} nodes", configurations.len()))
            }
        });
    }

    /// What a database shows of a parameter.
    fn shows(&self, database: &str, parameter: &str) -> String {
        self.lab.sql(database, "postgres", &format!("show {parameter}")).ok().trim().to_owned()
    }

    /// The environment of a task's container, as `NAME=VALUE`.
    #[track_caller]
    fn environment_of(&self, task: &Part) -> BTreeSet<String> {
        self.lab.process_of(&task.name).environment().into_iter().collect()
    }
}

/// All files of a name below a directory, which may change meanwhile.
fn files(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&entry.path(), name, found);
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
}

/// The servers among the processes of a lab.
fn databases(processes: &BTreeMap<String, i32>) -> BTreeMap<&str, i32> {
    let servers = processes.iter().filter(|(name, _)| name.starts_with("database."));
    servers.map(|(name, pid)| (name.as_str(), *pid)).collect()
}
