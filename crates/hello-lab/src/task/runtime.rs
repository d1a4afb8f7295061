//! The container runtime: crun. Every command here expects that the process sees one version of control groups
//! ([`cgroup::see_one_version`](crate::task::cgroup::see_one_version)).

use crate::{files::gone, timeouts};
use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::fd::IntoRawFd as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::process::{Child, Command};

/// The runtime's program.
const PROGRAM: &str = "crun";

/// In a bundle: the container's configuration.
pub const CONFIG: &str = "config.json";
/// In a bundle: the process of its health check.
pub const CHECK: &str = "check.json";

/// The containers of a task.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Where crun keeps what it knows of them.
    state: PathBuf,
}

/// A container that was just started.
#[derive(Debug)]
pub struct Started {
    /// Its first process: a child of the process that is set to take over orphans.
    pub pid: i32,
    /// The other ends of its output.
    pub output: Child,
}

impl Runtime {
    /// Those whose state is kept below the directory of a task.
    pub fn of_task(directory: &Path) -> Runtime {
        Runtime { state: directory.join("crun") }
    }

    /// The start of a command line.
    fn arguments(&self, log: Option<&Path>) -> Vec<PathBuf> {
        let mut arguments: Vec<PathBuf> = vec!["--root".into(), self.state.clone()];
        if let Some(log) = log {
            arguments.extend(["--log-format".into(), "json".into(), "--log".into(), log.to_owned()]);
        }
        arguments
    }

    /// Starts the container of a bundle.
    pub async fn run(&self, name: &str, bundle: &Path) -> Result<Started, String> {
        let (log, pid_file) = (bundle.join("crun.log"), bundle.join("pid"));
        let mut command = Command::new(PROGRAM);
        command.args(self.arguments(Some(&log))).args(["run", "--detach", "--bundle"]).arg(bundle);
        command.arg("--pid-file").arg(&pid_file).arg(name);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut output = command.spawn().map_err(|error| format!("cannot run {PROGRAM}: {error}"))?;
        let status = match tokio::time::timeout(timeouts::CONTAINER_START, output.wait()).await {
            Ok(status) => status.map_err(|error| format!("{PROGRAM} cannot be waited for: {error}"))?,
            Err(_) => {
                return Err(format!(
                    "{PROGRAM} has not ended within {} s",
                    timeouts::CONTAINER_START.as_secs()
                ));
            }
        };
        if !status.success() {
            return Err(last_error(&log).unwrap_or_else(|| format!("{PROGRAM} ended with {status}")));
        }
        let pid = fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok());
        let pid = pid.ok_or_else(|| format!("{PROGRAM} has not written the number of the process"))?;
        Ok(Started { pid, output })
    }

    /// Runs the health check of a container and gives how it ended; `None` when it took too long.
    pub async fn check(&self, name: &str, bundle: &Path, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let (log, pid_file) = (bundle.join("check.log"), bundle.join("check.pid"));
        let mut command = Command::new(PROGRAM);
        command.args(self.arguments(Some(&log))).arg("exec").arg("--process").arg(bundle.join(CHECK));
        command.arg("--pid-file").arg(&pid_file).arg(name);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        // Of an earlier check: its number may be another process's by now.
        gone(fs::remove_file(&pid_file))?;
        let mut child = command.spawn()?;
        if let Ok(status) = tokio::time::timeout(limit, child.wait()).await {
            return Ok(Some(status?));
        }
        // The process in the container is not crun: crun waits for it, and ends with it. On a busy machine crun may be
        // about to start it only now.
        let runtime = child.id();
        let ended = tokio::time::timeout(timeouts::KILLED, async {
            loop {
                if let Some(pid) = child_of(runtime, &pid_file) {
                    let _ = kill(pid, Signal::SIGKILL);
                }
                if tokio::time::timeout(timeouts::READY_POLL, child.wait()).await.is_ok() {
                    return;
                }
            }
        });
        if ended.await.is_err() {
            child.kill().await?;
        }
        Ok(None)
    }

    /// The command that runs `argv` in a container with the terminal or the pipes of whoever runs it. Only the calling
    /// process, or what it becomes, can run it.
    pub fn exec(
        &self,
        name: &str,
        bundle: &Path,
        argv: &[String],
        terminal: bool,
    ) -> anyhow::Result<std::process::Command> {
        let config = bundle.join(CONFIG);
        let content = fs::read(&config).with_context(|| format!("read {}", config.display()))?;
        let process = process(&serde_json::from_slice(&content)?, argv, terminal).to_string();
        // It holds the environment, secrets among it: it lies in memory, and goes with the process.
        let file = memfd_create("process", MemfdFlags::empty())?;
        File::from(file.try_clone()?).write_all(process.as_bytes())?;
        let mut command = std::process::Command::new(PROGRAM);
        command.args(self.arguments(None)).arg("exec");
        if terminal {
            command.arg("--tty");
        }
        command.arg("--process").arg(format!("/proc/self/fd/{}", file.into_raw_fd())).arg(name);
        Ok(command)
    }
}

/// The process of a container's configuration, with another program in its place.
pub fn process(config: &Value, argv: &[String], terminal: bool) -> Value {
    let mut process = config["process"].clone();
    process["args"] = argv.into();
    process["terminal"] = terminal.into();
    process
}

/// The process of a file, if it is a child of this one: then nobody has waited for it, and the number is still its own.
fn child_of(parent: Option<u32>, pid_file: &Path) -> Option<Pid> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let found = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok();
    (found.is_some() && found == parent).then_some(Pid::from_raw(pid))
}

/// What crun says last in its log.
fn last_error(log: &Path) -> Option<String> {
    let content = fs::read_to_string(log).ok()?;
    let line: Value = serde_json::from_str(content.lines().last()?).ok()?;
    Some(line.get("msg")?.as_str()?.to_owned())
}
