//! Where the secrets of a lab can be read.

use super::{
    command::run,
    lab::{SOON, TestLab},
    machine,
};
use std::{
    collections::BTreeSet, fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::PathBuf,
    process::Command,
};

/// The variables of a task that hold secrets.
const VARIABLES: [&str; 3] = ["DB_PASSWORD", "APP_SECRET_KEY", "ADMIN_TOKEN"];

/// The secrets that Terraform has given to a lab: the registry's, and those that its tasks have.
pub(crate) fn of(lab: &TestLab) -> BTreeSet<String> {
    let value = |lines: &[String], name: &str| {
        let entry = lines.iter().find_map(|line| line.strip_prefix(&format!("{name}=")))?;
        Some(entry.trim_matches('\'').to_owned())
    };
    let environment: Vec<String> =
        lab.cli(&["env"]).ok().lines().map(|line| line.trim_start_matches("export ").to_owned()).collect();
    let token = value(&environment, "TF_VAR_github_token").expect("env has the registry's password");
    let task = lab
        .processes_in_tasks()
        .find(|process| process.command_line().first().is_some_and(|word| word == "/hello-you"))
        .expect("a task runs");
    let environment = task.environment();
    let mut secrets: BTreeSet<String> = VARIABLES
        .into_iter()
        .map(|name| value(&environment, name).unwrap_or_else(|| panic!("the task has no {name}")))
        .collect();
    secrets.insert(token);
    assert!(secrets.iter().all(|secret| secret.len() >= 16), "a secret is too short to be looked for");
    secrets
}

/// Fails where a secret stands in what the lab says or logs, in words that a process was called with, or in a file that
/// others than root can read, Terraform's state included.
#[track_caller]
pub(crate) fn are_kept(lab: &TestLab) {
    let secrets = of(lab);
    let database = format!("/aws/rds/instance/{}/postgresql", lab.parts().databases[0].name);
    for arguments in [&["status"][..], &["events", "--last", "100000"], &["preflight"], &["logs", &database]]
    {
        let said = lab.cli(arguments);
        for secret in &secrets {
            assert!(
                !format!("{}{}", said.stdout, said.stderr).contains(secret),
                "{arguments:?} shows a secret"
            );
        }
    }
    for process in machine::processes() {
        let words = process.command_line().join(" ");
        let shown = secrets.iter().any(|secret| words.contains(secret.as_str()));
        assert!(
            !shown,
            "process {} was called with a secret: {:?}",
            process.pid,
            process.command_line().first()
        );
    }
    let everywhere = with_a_secret(lab, &secrets, &[]);
    // Root has to have them somewhere: the descriptions of tasks, which it alone can read.
    let tasks = lab.directory().join("run").join(lab.name()).join("tasks");
    let elsewhere: Vec<_> = everywhere.iter().filter(|file| !file.starts_with(&tasks)).collect();
    assert!(elsewhere.is_empty(), "a secret stands in {elsewhere:?}");
    assert!(!everywhere.is_empty(), "the secrets are not those of the tasks");
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let by_others = with_a_secret(lab, &secrets, &nobody);
    assert!(by_others.is_empty(), "others can read a secret in {by_others:?}");
}

/// The files of a lab that hold a secret, as a user sees them.
fn with_a_secret(lab: &TestLab, secrets: &BTreeSet<String>, user: &[&str]) -> Vec<PathBuf> {
    let mut patterns = tempfile::NamedTempFile::new().unwrap();
    for secret in secrets {
        writeln!(patterns, "{secret}").unwrap();
    }
    // Nobody reads it too.
    fs::set_permissions(patterns.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let mut words: Vec<&str> = user.to_vec();
    words.extend(["grep", "--recursive", "--fixed-strings", "--files-with-matches", "--no-messages"]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg("--devices=skip").arg("--file").arg(patterns.path());
    for place in ["data", "run"] {
        command.arg(lab.directory().join(place));
    }
    command.arg(lab.terraform_file("single-region"));
    run(&mut command, SOON).stdout.lines().map(PathBuf::from).collect()
}
