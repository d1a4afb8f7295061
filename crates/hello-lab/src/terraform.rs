//! Running the ordinary `terraform` on the lab.

use crate::{environment::DEFAULT_LAB, files::gone, preflight::find_program};
use anyhow::{Context as _, bail};
use base64::Engine as _;
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};
use terraform_provider_aws::mark;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

/// How a state names the providers whose resources exist in state alone: `random`, and Terraform's own.
const IN_STATE_ALONE: [&str; 2] = ["/hashicorp/random\"]", "\"terraform.io/builtin/terraform\"]"];

/// The user's `terraform` in a directory, with the lab's environment.
#[derive(Debug)]
pub struct Terraform {
    program: PathBuf,
    directory: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Terraform {
    /// The `terraform` on the path.
    pub fn new(directory: &Path, environment: BTreeMap<String, String>) -> anyhow::Result<Terraform> {
        let program = find_program("terraform").context("terraform is not installed")?;
        if !directory.is_dir() {
            bail!("there is no directory {}: name one with a Terraform configuration", directory.display());
        }
        Ok(Terraform { program, directory: directory.to_owned(), environment })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.directory).args(arguments).envs(&self.environment).kill_on_drop(true);
        // A plugin cache or a CLI configuration of the user's must not bring another provider in.
        command.env_remove("TF_CLI_CONFIG_FILE").env("TF_IN_AUTOMATION", "1").env("CHECKPOINT_DISABLE", "1");
        command.stdin(Stdio::null());
        command
    }

    /// `init`: reattached providers are not downloaded.
    pub async fn init(&self) -> anyhow::Result<()> {
        let mut command = self.command(&["init", "-input=false", "-no-color"]);
        // The workspace of a new lab does not exist yet; `init` would ask which one to use.
        let workspace = self.environment.get("TF_WORKSPACE").cloned();
        command.env_remove("TF_WORKSPACE");
        quiet(command, "terraform init").await?;
        if let Some(workspace) = workspace {
            let mut select = self.command(&["workspace", "select", "-or-create", &workspace]);
            select.env_remove("TF_WORKSPACE");
            quiet(select, "terraform workspace select").await?;
            // Which workspace a directory is in belongs to its user; the variable decides for the lab.
            let mut back = self.command(&["workspace", "select", "default"]);
            back.env_remove("TF_WORKSPACE");
            quiet(back, "terraform workspace select").await?;
        }
        Ok(())
    }

    /// `apply`. Its plan, thousands of lines, goes to the file `log` alone; what follows is shown as it comes.
    pub async fn apply(&self, extra: &[String], log: &Path) -> anyhow::Result<()> {
        let mut arguments = vec![
            "apply",
            "-input=false",
            "-auto-approve",
            "-compact-warnings",
            "-parallelism=32",
            "-no-color",
        ];
        arguments.extend(extra.iter().map(String::as_str));
        let mut file = std::fs::File::create(log).with_context(|| format!("write {}", log.display()))?;
        let mut child =
            self.command(&arguments).stdout(Stdio::piped()).spawn().context("run terraform apply")?;
        let output = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines();
        let mut progress = Progress::default();
        while let Some(line) = lines.next_line().await.context("read what terraform says")? {
            // What is shown counts, whether or not it can be kept or anybody reads it.
            let _ = writeln!(file, "{line}");
            if progress.shows(&line) {
                let _ = writeln!(std::io::stdout(), "{line}");
            }
        }
        let status = child.wait().await.context("wait for terraform apply")?;
        if !status.success() {
            bail!(
                "terraform apply has failed ({} has all that it said); what it has made stays: mend the cause and \
                 run `hello-lab up` again",
                log.display()
            );
        }
        Ok(())
    }
}

/// Which lines of an apply tell how it goes on.
#[derive(Debug, Default)]
struct Progress {
    has_planned: bool,
}

impl Progress {
    fn shows(&mut self, line: &str) -> bool {
        self.has_planned |=
            ["Plan: ", "No changes.", "Warning", "Error"].iter().any(|head| line.starts_with(head));
        // Each is followed by a line that says that it is done.
        self.has_planned && !line.ends_with(": Creating...") && !line.ends_with(": Modifying...")
    }
}

async fn quiet(mut command: Command, name: &str) -> anyhow::Result<()> {
    let output = command.output().await.with_context(|| format!("run {name}"))?;
    if !output.status.success() {
        bail!("{name} has failed:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Removes the state of a lab that is gone from a Terraform directory, and the backup that Terraform keeps beside it. State
/// that the lab did not make stays: it may describe real infrastructure.
pub fn forget_state(directory: &Path, lab: &str) -> anyhow::Result<()> {
    let state = if lab == DEFAULT_LAB {
        directory.join("terraform.tfstate")
    } else {
        directory.join("terraform.tfstate.d").join(lab).join("terraform.tfstate")
    };
    for file in [&state, &state.with_extension("tfstate.backup")] {
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            text => text.with_context(|| format!("read {}", file.display()))?,
        };
        // Terraform makes an empty file when it takes the lock of a new state.
        let forgets = text.is_empty() || {
            let parsed = serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))?;
            is_of_lab(&parsed, lab)
        };
        if forgets {
            gone(std::fs::remove_file(file)).with_context(|| format!("remove {}", file.display()))?;
        }
    }
    if lab != DEFAULT_LAB {
        // A workspace without state is one that nobody needs; one with other files is somebody's.
        for directory in state.ancestors().skip(1).take(2) {
            let _ = std::fs::remove_dir(directory);
        }
    }
    Ok(())
}

/// Is nothing in the state but what this lab made? What exists in state alone has no mark: it is the lab's where it stands
/// beside something of the lab's. State that has nothing in it is nobody's.
fn is_of_lab(state: &serde_json::Value, lab: &str) -> bool {
    let resources = state["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let managed = resources.iter().filter(|resource| resource["mode"] != "data");
    let mut instances = managed.flat_map(|resource| {
        let instances = resource["instances"].as_array().into_iter().flatten();
        instances.map(|instance| (resource["provider"].as_str().unwrap_or_default(), instance))
    });
    let is_marked = |instance: &serde_json::Value| {
        let private = instance["private"].as_str().unwrap_or_default();
        let private = base64::engine::general_purpose::STANDARD.decode(private).unwrap_or_default();
        mark::check("resource", &private, Some(&crate::backend::mark(lab))).is_ok()
    };
    let (mut some_marked, mut some_plain) = (false, false);
    let all = instances.all(|(provider, instance)| {
        let marked = is_marked(instance);
        let plain = IN_STATE_ALONE.iter().any(|name| provider.ends_with(name));
        some_marked |= marked;
        some_plain |= plain;
        marked || plain
    });
    all && (some_marked || !some_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_left_out_and_what_follows_is_shown() {
        let said = "data.aws_region.here: Reading...\n  # aws_vpc.main will be created\nPlan: 1 to add, 0 to change, 0 to destroy.\n\
                    aws_vpc.main: Creating...\naws_vpc.main: Creation complete after 0s [id=vpc-1]\nApply complete!";
        let mut progress = Progress::default();
        let shown: Vec<_> = said.lines().filter(|line| progress.shows(line)).collect();
        assert_eq!(
            shown,
            [
                "Plan: 1 to add, 0 to change, 0 to destroy.",
                "aws_vpc.main: Creation complete after 0s [id=vpc-1]",
                "Apply complete!"
            ]
        );
    }

    fn managed(provider: &str, private: &[u8]) -> serde_json::Value {
        let private = base64::engine::general_purpose::STANDARD.encode(private);
        serde_json::json!({
            "mode": "managed",
            "type": "anything",
            "provider": format!("provider[\"{provider}\"]"),
            "instances": [{ "private": private }],
        })
    }

    #[test]
    fn only_state_of_the_lab_is_forgotten() {
        let of_lab =
            managed("registry.terraform.io/hashicorp/aws", &mark::private(&crate::backend::mark("default")));
        let of_another =
            managed("registry.terraform.io/hashicorp/aws", &mark::private(&crate::backend::mark("other")));
        let of_account = managed("registry.terraform.io/hashicorp/aws", b"{\"schema_version\":\"2\"}");
        let of_cloud = managed("registry.terraform.io/hashicorp/google", b"");
        let of_copy = managed("registry.terraform.io/example/aws", b"");
        let drawn = managed("registry.terraform.io/hashicorp/random", b"");
        let kept = managed("terraform.io/builtin/terraform", b"");
        let data = serde_json::json!({ "mode": "data", "provider": "any", "instances": [{}] });
        for (what, resources, stays) in [
            ("the lab's", vec![&of_lab], false),
            ("the lab's with what has no part", vec![&of_lab, &drawn, &kept, &data], false),
            ("nothing", vec![], false),
            ("another lab's", vec![&of_another], true),
            ("a real account's", vec![&of_account], true),
            ("another cloud's", vec![&of_cloud], true),
            ("another AWS provider's", vec![&of_copy], true),
            ("the lab's with another cloud's", vec![&of_lab, &of_cloud], true),
            ("what has no part alone", vec![&drawn, &kept], true),
        ] {
            for name in ["terraform.tfstate", "terraform.tfstate.backup"] {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join(name);
                std::fs::write(&file, serde_json::json!({ "resources": resources }).to_string()).unwrap();
                forget_state(directory.path(), "default").unwrap();
                assert_eq!(file.exists(), stays, "{what} in {name}");
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("terraform.tfstate");
        std::fs::write(&empty, "").unwrap();
        forget_state(directory.path(), "default").unwrap();
        assert!(!empty.exists(), "an empty file is no state");
    }
}
