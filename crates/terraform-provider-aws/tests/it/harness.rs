//! A directory with a configuration, and `terraform` in it.

use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
};

/// The names that the one executable is started under.
const NAMES: &[&str] = &["aws", "random", "null"];

/// A configuration of its own in a directory of its own, gone with the value.
pub struct Workspace {
    directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// How one run of `terraform -json` ended.
#[derive(Debug)]
pub struct Run {
    /// Did it succeed?
    pub success: bool,
    /// Its messages, in order.
    pub events: Vec<Json>,
    /// What is not JSON.
    pub text: String,
}

impl Workspace {
    /// A workspace with one file of configuration, in record mode.
    pub fn new(main: &str) -> Workspace {
        Workspace::with_files(&[("main.tf", main)])
    }

    /// A workspace with files, in record mode.
    pub fn with_files(files: &[(&str, &str)]) -> Workspace {
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let mut overrides = String::new();
        for name in NAMES {
            let executable = env!("CARGO_BIN_EXE_terraform-provider-aws");
            symlink(executable, bin.join(format!("terraform-provider-{name}"))).unwrap();
            writeln!(overrides, "    \"hashicorp/{name}\" = {:?}", bin.display().to_string()).unwrap();
        }
        let config =
            format!("provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n");
        fs::write(directory.path().join("dev.tfrc"), config).unwrap();
        let workspace = Workspace { directory, variables: BTreeMap::new() };
        for (name, text) in files {
            workspace.write(name, text);
        }
        workspace.set("HELLO_PROVIDER_APPLY", "record").set("AWS_REGION", "eu-west-1")
    }

    /// Sets an environment variable of every run from now on; an empty value takes it away.
    pub fn set(mut self, name: &str, value: &str) -> Workspace {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A file in the workspace.
    pub fn path(&self, name: &str) -> PathBuf {
        self.configuration().join(name)
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("configuration")
    }

    /// Writes or replaces a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A command for `terraform` in this workspace.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("terraform");
        command
            .args(arguments)
            .current_dir(self.configuration())
            .env("TF_CLI_CONFIG_FILE", self.directory.path().join("dev.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env_remove("AWS_DEFAULT_REGION")
            .env_remove("AWS_PROFILE")
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    /// Runs `terraform` and returns success and everything it printed.
    pub fn terraform(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.command(arguments).output().expect("terraform is installed");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Runs `terraform` with machine-readable output.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let (success, printed) = self.terraform(arguments);
        let mut run = Run { success, events: Vec::new(), text: String::new() };
        for line in printed.lines() {
            match serde_json::from_str(line) {
                Ok(event @ Json::Object(_)) => run.events.push(event),
                _ => writeln!(run.text, "{line}").unwrap(),
            }
        }
        run
    }

    /// `terraform validate`; the errors' texts.
    pub fn validate(&self) -> Vec<String> {
        let (_, text) = self.terraform(&["validate", "-json"]);
        let report: Json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let errors = report["diagnostics"].as_array().unwrap().iter().filter(|d| d["severity"] == "error");
        errors.map(sentence).collect()
    }

    /// `terraform plan`.
    pub fn plan(&self, more: &[&str]) -> Run {
        self.run(&[&["plan", "-json", "-input=false"], more].concat())
    }

    /// `terraform apply`, which must succeed.
    pub fn apply(&self, more: &[&str]) -> Run {
        let run = self.run(&[&["apply", "-json", "-input=false", "-auto-approve"], more].concat());
        assert!(run.success, "apply failed: {:#?}\n{}", run.errors(), run.text);
        run
    }

    /// `terraform destroy`, which must succeed.
    pub fn destroy(&self, more: &[&str]) -> Run {
        self.apply(&[&["-destroy"], more].concat())
    }

    /// The plan of a saved plan file as JSON.
    pub fn planned(&self, more: &[&str]) -> Json {
        let run = self.plan(&[&["-out=plan"], more].concat());
        assert!(run.success, "plan failed: {:#?}\n{}", run.errors(), run.text);
        let (_, text) = self.terraform(&["show", "-json", "plan"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The state as JSON.
    pub fn state(&self) -> Json {
        serde_json::from_str(&self.read("terraform.tfstate")).unwrap()
    }
}

/// Summary and detail of a diagnostic on one line.
fn sentence(diagnostic: &Json) -> String {
    let part = |name: &str| diagnostic[name].as_str().unwrap_or_default().to_owned();
    let address = diagnostic["address"].as_str().map(|address| format!("{address}: ")).unwrap_or_default();
    format!("{address}{} {}", part("summary"), part("detail"))
}

impl Run {
    fn diagnostics(&self, severity: &str) -> Vec<String> {
        let of_severity = self
            .events
            .iter()
            .filter(|e| e["type"] == "diagnostic" && e["diagnostic"]["severity"] == severity);
        of_severity.map(|event| sentence(&event["diagnostic"])).collect()
    }

    /// The errors' texts.
    pub fn errors(&self) -> Vec<String> {
        self.diagnostics("error")
    }

    /// The warnings' texts.
    pub fn warnings(&self) -> Vec<String> {
        self.diagnostics("warning")
    }

    /// The planned action of every resource that changes, by address.
    pub fn actions(&self) -> BTreeMap<String, String> {
        self.changes("planned_change")
    }

    /// What a refresh found changed outside, by address.
    pub fn drift(&self) -> BTreeMap<String, String> {
        self.changes("resource_drift")
    }

    fn changes(&self, kind: &str) -> BTreeMap<String, String> {
        let change = |event: &Json| {
            let change = &event["change"];
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            (text(&change["resource"]["addr"]), text(&change["action"]))
        };
        self.events.iter().filter(|event| event["type"] == kind).map(change).collect()
    }

    /// Asserts that it ended well and would change nothing.
    pub fn assert_no_changes(&self) {
        assert!(self.success, "{:#?}\n{}", self.errors(), self.text);
        assert_eq!(self.actions(), BTreeMap::new());
    }

    /// Asserts that it was refused with this sentence.
    pub fn assert_refused(&self, expected: &str) {
        assert!(!self.success, "it was not refused with {expected:?}");
        assert!(
            self.errors().iter().any(|error| error.contains(expected)),
            "{expected:?} is not in {:#?}",
            self.errors()
        );
    }
}
