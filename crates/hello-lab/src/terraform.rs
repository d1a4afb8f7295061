//! Running the ordinary `terraform` on the lab.

use crate::preflight::find_program;
use anyhow::{Context as _, bail};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

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

    /// `apply`, its output shown as it comes.
    pub async fn apply(&self, extra: &[String]) -> anyhow::Result<()> {
        let mut arguments =
            vec!["apply", "-input=false", "-auto-approve", "-compact-warnings", "-parallelism=32"];
        arguments.extend(extra.iter().map(String::as_str));
        let status = self.command(&arguments).status().await.context("run terraform apply")?;
        if !status.success() {
            bail!(
                "terraform apply has failed; what it has made stays: mend the cause and run `hello-lab up` again"
            );
        }
        Ok(())
    }
}

async fn quiet(mut command: Command, name: &str) -> anyhow::Result<()> {
    let output = command.output().await.with_context(|| format!("run {name}"))?;
    if !output.status.success() {
        bail!("{name} has failed:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
