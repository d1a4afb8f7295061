//! The server's processes: started, watched, stopped, killed, frozen.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::directory::ServerDir;
use super::install::PgVersion;
use super::os::{ProcessStat, ServerUser, freeze_tree, process_tree, send};

/// How long processes may take to end on a signal that leaves them no choice.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How long an immediate stop may take before the server is killed instead.
const DROP_LIMIT: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(5);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// Somebody else listens on its port.
    #[error("the port is taken")]
    PortTaken,
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// The server's first process, a child of ours.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Child,
    pid: Pid,
    log: File,
}

impl Postmaster {
    /// Starts the server's process. It is not ready yet.
    pub(super) fn spawn(version: &PgVersion, dir: &ServerDir) -> Result<Self> {
        let postgres = version.program("postgres").context("this PostgreSQL has no postgres")?;
        let path = dir.log();
        let mut log = File::options().create(true).append(true).read(true).open(&path);
        let log = log.as_mut().map_err(|e| anyhow::anyhow!("open {}: {e}", path.display()))?;
        let mut command = ServerUser::get().command(&postgres);
        command.arg("-D").arg(dir.data());
        command.arg(format!("--config_file={}", dir.config_file().display()));
        command.arg(format!("--hba_file={}", dir.hba_file().display()));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        let mut log = log.try_clone()?;
        log.seek(SeekFrom::End(0))?;
        let child = command.spawn().with_context(|| format!("run {}", postgres.display()))?;
        Ok(Self { pid: Pid::from_raw(child.id().cast_signed()), child, log })
    }

    /// An error if the process has ended before the server was ready.
    pub(super) fn check_starting(&mut self, dir: &ServerDir) -> Result<(), StartError> {
        let Some(status) = self.child.try_wait().context("wait for the server")? else { return Ok(()) };
        let mut since_start = String::new();
        self.log.read_to_string(&mut since_start).ok();
        if since_start.contains("Address already in use") {
            return Err(StartError::PortTaken);
        }
        Err(anyhow::anyhow!("the server ended with {status}; {}", dir.log_tail()).into())
    }

    pub(super) fn signal(&self, signal: Signal) {
        send(self.pid, signal);
    }

    /// Whether the process has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops all its processes where they are, until [`Self::thaw`].
    pub(super) fn freeze(&self) -> Result<()> {
        let tree = freeze_tree(self.pid);
        let is_stopped =
            |pid: &Pid| ProcessStat::read(*pid).is_none_or(|stat| matches!(stat.state, 'T' | 'Z'));
        wait_for(|| tree.iter().all(is_stopped)).context("freeze the server's processes")
    }

    /// Lets all its processes go on.
    pub(super) fn thaw(&self) {
        for pid in process_tree(self.pid) {
            send(pid, Signal::SIGCONT);
        }
    }

    /// Kills all its processes and waits until they are gone.
    pub(super) fn kill(&mut self) -> Result<()> {
        // Stopped first, so that none forks, ends in order, or is adopted by another process before it is listed.
        let tree = freeze_tree(self.pid);
        for pid in &tree {
            send(*pid, Signal::SIGKILL);
        }
        self.child.wait().context("wait for the server")?;
        let is_gone = |pid: &Pid| ProcessStat::read(*pid).is_none_or(ProcessStat::is_zombie);
        wait_for(|| tree.iter().all(is_gone)).context("kill the server's processes")
    }
}

impl Drop for Postmaster {
    /// An immediate stop, by force if it takes too long.
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        self.signal(Signal::SIGQUIT);
        self.thaw();
        let deadline = Instant::now() + DROP_LIMIT;
        while !self.has_ended() {
            if Instant::now() > deadline {
                self.kill().ok();
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

fn wait_for(mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + KILL_LIMIT;
    while !condition() {
        if Instant::now() > deadline {
            bail!("not done after {} s", KILL_LIMIT.as_secs());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
