//! `exec`: a command inside a part.

use super::ask;
use crate::{control::Request, lab::Lab, network::netns::Namespace, task::tasks};
use anyhow::Context as _;
use clap::Args;
use std::{
    io::{self, IsTerminal as _},
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitCode},
};

/// What `exec` is told.
#[derive(Debug, Args)]
pub(super) struct Exec {
    /// The part: client, admin, stranger, registry, task/ID, db/NAME, alb/NAME/SUBNET, nat/ID.
    part: String,
    /// The command. In a task it runs inside the container, elsewhere with this machine's files in the part's network.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Exec {
    pub(super) async fn run(self, lab: &Lab) -> anyhow::Result<ExitCode> {
        let answer = ask(lab, &Request::Locate { part: self.part.clone() }, &mut io::sink()).await?;
        let mut lines = answer.lines();
        let namespace = Namespace::named(lines.next().unwrap_or_default());
        let status = if let (Some(task), Some(container)) = (lines.next(), lines.next()) {
            let terminal = io::stdin().is_terminal();
            let mut command = tasks::exec_command(lab, task, container, &self.command, terminal)?;
            command.status().with_context(|| format!("run {} in {}", self.command.join(" "), self.part))?
        } else {
            let words = self.command.clone();
            let ran = namespace.run(move || {
                let mut words = words.into_iter();
                let program = words.next().unwrap_or_default();
                Command::new(program).args(words).status()
            });
            ran.with_context(|| format!("run {} in {}", self.command.join(" "), self.part))?
        };
        // 128 and the signal, as a shell has it.
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
    }
}
