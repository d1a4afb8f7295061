//! `exec`: a command inside a part.

use super::ask;
use crate::{
    control::{Location, Request},
    files::{PASSING, write_whole},
    lab::Lab,
    network::netns::Namespace,
    preflight::find_program,
    task::tasks,
};
use anyhow::Context as _;
use clap::Args;
use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    net::Ipv4Addr,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitCode},
};

/// The exit code of a shell for a program that is not there.
const NOT_FOUND: u8 = 127;

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
        let location: Location = serde_json::from_str(&answer).context("read where the part is")?;
        let said = || format!("run {} in {}", self.command.join(" "), self.part);
        let status = if let Some((task, container)) = &location.container {
            let terminal = io::stdin().is_terminal();
            let mut command = tasks::exec_command(lab, task, container, &self.command, terminal)?;
            command.status().with_context(said)?
        } else {
            let program = self.command.first().map(String::as_str).unwrap_or_default();
            if !program.contains('/') && find_program(program).is_none() {
                writeln!(io::stderr(), "hello-lab: {program} is not installed on this machine")?;
                return Ok(ExitCode::from(NOT_FOUND));
            }
            let mut command = match location.resolver {
                Some(resolver) => resolving(lab, resolver, &self.command)?,
                None => plain(&self.command),
            };
            Namespace::named(&location.namespace).run(move || command.status()).with_context(said)?
        };
        // 128 and the signal, as a shell has it.
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
    }
}

fn plain(words: &[String]) -> Command {
    let mut words = words.iter();
    let mut command = Command::new(words.next().map(String::as_str).unwrap_or_default());
    command.args(words);
    command
}

/// The command, for which the part's own resolver answers: it has a mount namespace of its own, in which this machine's
/// `/etc/resolv.conf` is covered. Where that cannot be, it runs without.
fn resolving(lab: &Lab, resolver: Ipv4Addr, words: &[String]) -> anyhow::Result<Command> {
    let directory = lab.run("resolvers");
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let file = directory.join(resolver.to_string());
    write_whole(&file, format!("nameserver {resolver}\n").as_bytes(), PASSING.with_mode(0o644))
        .with_context(|| format!("write {}", file.display()))?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--", "sh", "-c"]);
    command.arg("mount --bind \"$0\" /etc/resolv.conf 2>/dev/null; exec \"$@\"");
    command.arg(file).args(words);
    Ok(command)
}
