//! The one module that starts, watches, adopts and ends processes.
//!
//! A part's process is described, then running. It does not depend on the daemon: it has its own process group, writes to
//! a file, and stays when the daemon is killed. What runs is recorded in a file beside the part, as process number and
//! start time, so that a number that was given away again is never taken for it. A process that was started but not
//! recorded before the daemon was killed is found by its mark in the environment.

use crate::{
    files::{PASSING, write_whole},
    network::netns::{self, Namespace},
    timeouts,
};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, OpenOptions},
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
};

/// The variable by which a process says whose part it is.
const MARK: &str = "HELLO_LAB_PART";

/// A process to start.
#[derive(Clone, Debug)]
pub struct Described {
    /// Name of the part, unique in the lab, fit for a file name.
    pub name: String,
    /// The program: a path, or a name to be found on `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment, next to `PATH`.
    pub environment: Vec<(String, String)>,
    /// The network namespace it runs in; the machine's own where `None`.
    pub namespace: Option<Namespace>,
    /// The user and group it becomes, with no capability left; root where `None`.
    pub user: Option<User>,
    /// Its working directory.
    pub directory: PathBuf,
    /// Where its output goes, appended.
    pub log: PathBuf,
}

/// Numbers of a user and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

impl User {
    /// The user of this name.
    pub fn named(name: &str) -> io::Result<User> {
        match nix::unistd::User::from_name(name)? {
            Some(user) => Ok(User { uid: user.uid.as_raw(), gid: user.gid.as_raw() }),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no user {name}"))),
        }
    }
}

impl Described {
    /// The command as it will be run, for logs and errors. The environment is left out: it may hold secrets.
    pub fn command_line(&self) -> String {
        let words =
            [self.program.as_os_str()].into_iter().chain(self.arguments.iter().map(OsString::as_os_str));
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    fn command(&self, lab: &str) -> io::Result<Command> {
        let mut command = match self.user {
            None => Command::new(&self.program),
            Some(User { uid, gid }) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
                command.args([
                    "--clear-groups",
                    "--inh-caps=-all",
                    "--bounding-set=-all",
                    "--no-new-privs",
                    "--",
                ]);
                command.arg(&self.program);
                command
            }
        };
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(MARK, mark(lab, &self.name))
            .current_dir(&self.directory)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }
}

fn mark(lab: &str, name: &str) -> String {
    format!("{lab}/{name}")
}

/// What is written beside a part of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    pid: i32,
    /// Ticks since boot, field 22 of `/proc/PID/stat`.
    start_time: u64,
}

impl Identity {
    /// What a record says; `None` where there is none, or none that can be read.
    fn recorded(record: &Path) -> io::Result<Option<Identity>> {
        match fs::read(record) {
            Ok(content) => Ok(serde_json::from_slice(&content).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Does this very process live?
    fn is_alive(&self) -> bool {
        Identity::of(self.pid) == Some(*self)
    }

    fn of(pid: i32) -> Option<Identity> {
        let fields = status_of(pid)?;
        let mut fields = fields.split_whitespace();
        let state = fields.next()?;
        let start_time = fields.nth(18)?.parse().ok()?;
        (state != "Z" && state != "X").then_some(Identity { pid, start_time })
    }
}

/// The processes of a lab.
#[derive(Clone, Debug)]
pub struct Processes {
    lab: String,
    directory: PathBuf,
}

impl Processes {
    /// Those of the lab of this name, recorded in `directory`.
    pub fn new(lab: impl Into<String>, directory: impl Into<PathBuf>) -> Processes {
        Processes { lab: lab.into(), directory: directory.into() }
    }

    fn record(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.process"))
    }

    /// Starts the process, unless it is running already.
    pub fn start(&self, described: &Described) -> io::Result<Running> {
        if let Some(running) = self.adopt(&described.name)? {
            return Ok(running);
        }
        fs::create_dir_all(&self.directory)?;
        let mut command = described.command(&self.lab)?;
        let spawned = match &described.namespace {
            Some(namespace) => namespace.run(move || command.spawn()),
            None => command.spawn(),
        };
        let child = spawned.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", described.command_line()))
        })?;
        let pid = i32::try_from(child.id()).expect("a process number is a positive i32");
        let identity = Identity::of(pid).unwrap_or(Identity { pid, start_time: 0 });
        let running = Running::open(identity, Some(child), self.record(&described.name))?;
        write_whole(&running.record, &serde_json::to_vec(&identity)?, PASSING)?;
        Ok(running)
    }

    /// The running process of this name, if there is one.
    pub fn adopt(&self, name: &str) -> io::Result<Option<Running>> {
        let record = self.record(name);
        let recorded = Identity::recorded(&record)?;
        let alive = recorded.filter(Identity::is_alive);
        let Some(identity) = alive.or_else(|| self.marked(name)) else {
            // It ended while no daemon waited for it.
            if let Some(ended) = recorded {
                forget(&record, ended);
            }
            return Ok(None);
        };
        let Some(running) = Running::opened(identity, record)? else { return Ok(None) };
        if recorded != Some(identity) {
            write_whole(&running.record, &serde_json::to_vec(&identity)?, PASSING)?;
        }
        Ok(Some(running))
    }

    /// The process that carries the mark and is the leader of its group: its children carry the mark too.
    fn marked(&self, name: &str) -> Option<Identity> {
        let wanted = format!("{MARK}={}", mark(&self.lab, name));
        all_processes().find_map(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let carries = environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes());
            let leads = nix::unistd::getpgid(Some(Pid::from_raw(pid))).ok()? == Pid::from_raw(pid);
            (carries && leads).then(|| Identity::of(pid)).flatten()
        })
    }

    /// Ends whatever carries the mark of this lab; the end of a tear-down. Says how many there were.
    pub fn kill_all(&self) -> usize {
        let wanted = format!("{MARK}={}/", self.lab);
        kill_where(|entry| entry.starts_with(wanted.as_bytes()))
    }

    /// Ends whatever carries the mark of this part: children that its process has left behind. Says how many there were.
    pub fn kill_marked(&self, name: &str) -> usize {
        let wanted = format!("{MARK}={}", mark(&self.lab, name));
        kill_where(|entry| entry == wanted.as_bytes())
    }

    /// Sends a signal to every process that lives in a namespace but those that carry the mark of `spared`. Says how many
    /// there were.
    pub fn signal_namespace(
        &self,
        namespace: &Namespace,
        signal: Signal,
        spared: Option<&str>,
    ) -> io::Result<usize> {
        let path = namespace.path();
        let wanted = netns::identity(&path).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no namespace {}", path.display()))
        })?;
        let mark = spared.map(|name| format!("{MARK}={}", mark(&self.lab, name)));
        let is_spared = |pid: i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut entries = environment.split(|byte| *byte == 0);
            mark.as_ref().is_some_and(|mark| entries.any(|entry| entry == mark.as_bytes()))
        };
        let mut reached = 0;
        for pid in all_processes() {
            let inside = netns::identity(Path::new(&format!("/proc/{pid}/ns/net")));
            if inside == Some(wanted) && !is_spared(pid) {
                reached += usize::from(kill(Pid::from_raw(pid), signal).is_ok());
            }
        }
        Ok(reached)
    }
}

/// The fields of `/proc/PID/stat` after the name of the program, which stands in brackets and may hold anything.
fn status_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}

/// The state letter of a process (`proc(5)`), `None` once it is gone.
pub fn state_of(pid: i32) -> Option<char> {
    status_of(pid)?.trim_start().chars().next()
}

/// Those of these namespaces in which a process is stopped where it is, as by SIGSTOP.
pub fn frozen(namespaces: impl IntoIterator<Item = Namespace>) -> BTreeSet<Namespace> {
    let stopped: BTreeSet<_> = all_processes()
        .filter(|pid| state_of(*pid) == Some('T'))
        .filter_map(|pid| netns::identity(Path::new(&format!("/proc/{pid}/ns/net"))))
        .collect();
    let has_stopped =
        |namespace: &Namespace| netns::identity(&namespace.path()).is_some_and(|id| stopped.contains(&id));
    namespaces.into_iter().filter(has_stopped).collect()
}

/// Kills the processes that have such an entry in their environment.
fn kill_where(wanted: impl Fn(&[u8]) -> bool) -> usize {
    let mut killed = 0;
    for pid in all_processes() {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(&wanted) {
            killed += usize::from(kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok());
        }
    }
    killed
}

fn all_processes() -> impl Iterator<Item = i32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(move |pid| u32::try_from(*pid) != Ok(own))
}

/// Removes the record of a process that has ended, unless it is a successor's by now.
fn forget(record: &Path, ended: Identity) {
    if Identity::recorded(record).is_ok_and(|recorded| recorded == Some(ended)) {
        let _ = fs::remove_file(record);
    }
}

/// A running process, ours or adopted. Dropping it ends nothing.
#[derive(Debug)]
pub struct Running {
    identity: Identity,
    pidfd: AsyncFd<OwnedFd>,
    /// How it ended, where this daemon started it.
    exit: Option<watch::Receiver<Option<ExitStatus>>>,
    record: PathBuf,
}

/// Writes down which process this is, for [`Running::recorded`].
pub fn record_own(record: &Path) -> io::Result<()> {
    let pid = i32::try_from(std::process::id()).expect("a process number is a positive i32");
    let identity = Identity::of(pid).ok_or_else(|| io::Error::other("/proc does not know this process"))?;
    write_whole(record, &serde_json::to_vec(&identity)?, PASSING)
}

/// Waits for a child in the background: one that nobody waits for stays as a zombie when it ends.
fn reap(mut child: Child, pidfd: OwnedFd) -> io::Result<watch::Receiver<Option<ExitStatus>>> {
    let ended = watched(pidfd)?;
    let (sender, exit) = watch::channel(None);
    tokio::spawn(async move {
        if ended.readable().await.is_ok()
            && let Ok(status) = child.wait()
        {
            sender.send_replace(Some(status));
        }
    });
    Ok(exit)
}

/// A pidfd that can be waited for: it is readable once the process has ended (`pidfd_open(2)`).
fn watched(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that may close their descriptor early; an OwnedFd that nobody can reach does not"
    )]
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

impl Running {
    fn open(identity: Identity, child: Option<Child>, record: PathBuf) -> io::Result<Running> {
        let pid = rustix::process::Pid::from_raw(identity.pid)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "process number 0"))?;
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK)?;
        let exit = child.map(|child| reap(child, pidfd.try_clone()?)).transpose()?;
        Ok(Running { identity, pidfd: watched(pidfd)?, exit, record })
    }

    /// The process of another that runs with this identity; `None` where it has ended, however shortly ago: its number may
    /// be another's by now.
    fn opened(identity: Identity, record: PathBuf) -> io::Result<Option<Running>> {
        match Running::open(identity, None, record) {
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Ok(None),
            running => Ok(Some(running?).filter(Running::is_alive)),
        }
    }

    /// The process that wrote this record with [`record_own`], if it still runs.
    pub fn recorded(record: &Path) -> io::Result<Option<Running>> {
        let alive = Identity::recorded(record)?.filter(Identity::is_alive);
        alive.map_or(Ok(None), |identity| Running::opened(identity, record.to_owned()))
    }

    /// Its process number.
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// Is it alive? One that ended and was not waited for is not.
    pub fn is_alive(&self) -> bool {
        Identity::of(self.identity.pid).is_some_and(|now| {
            // A process that ended before it could be looked at has no start time on record.
            now.start_time == self.identity.start_time
        })
    }

    /// Sends a signal; one that is gone already is no error. It goes by the pidfd, so it reaches no other process that has
    /// got the number meanwhile.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let signal = rustix::process::Signal::from_named_raw(signal as i32)
            .ok_or_else(|| io::Error::other(format!("{signal} cannot be sent")))?;
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for its end; the exit code where this daemon started it and it was not ended by a signal.
    pub async fn ended(&mut self) -> Option<i32> {
        if let Ok(mut ready) = self.pidfd.readable().await {
            ready.retain_ready();
        }
        forget(&self.record, self.identity);
        let exit = self.exit.as_mut()?.wait_for(Option::is_some).await.ok()?;
        exit.and_then(|status| status.code())
    }

    /// TERM, then KILL when it has not ended after `grace`.
    pub async fn stop(self, grace: Duration) -> io::Result<()> {
        self.stop_with(Signal::SIGTERM, grace).await
    }

    /// `signal`, then KILL when it has not ended after `grace`.
    pub async fn stop_with(mut self, signal: Signal, grace: Duration) -> io::Result<()> {
        self.signal(signal)?;
        // A frozen process acts on the signal only once it goes on.
        self.signal(Signal::SIGCONT)?;
        if tokio::time::timeout(grace, self.ended()).await.is_ok() {
            return Ok(());
        }
        self.signal(Signal::SIGKILL)?;
        match tokio::time::timeout(timeouts::KILLED, self.ended()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("process {} has not ended after SIGKILL", self.identity.pid),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
