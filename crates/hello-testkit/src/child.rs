//! A real program under test: started, listened to, signalled, and never left behind.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::wait::{Poll, wait_until};

/// How many lines are kept; older ones are dropped. Far more than a test reads.
const MAX_LINES: usize = 20_000;

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A program to be started.
#[derive(Debug)]
#[must_use = "a program is started by `start`"]
pub struct ChildProcessBuilder {
    program: PathBuf,
    command: Command,
    stdin: Option<Vec<u8>>,
}

impl ChildProcessBuilder {
    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets environment variables.
    pub fn envs(
        mut self,
        vars: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        self.command.envs(vars.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Starts from an empty environment, so that nothing set on the machine reaches the program.
    pub fn env_clear(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Sets the working directory.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// What the program reads from its standard input; without this it reads end of file.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Starts the program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut self) -> ChildProcess {
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let spawned = self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|e| panic!("failed to start {}: {e}", self.program.display()));
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        if let (Some(bytes), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            // A program that ends without reading everything is no error of the test's.
            thread::spawn(move || pipe.write_all(&bytes).ok());
        }
        let stdout = child.stdout.take().map(|pipe| collect(Stream::Stdout, pipe, Arc::clone(&lines)));
        let stderr = child.stderr.take().map(|pipe| collect(Stream::Stderr, pipe, Arc::clone(&lines)));
        ChildProcess {
            program: self.program,
            pid: Pid::from_raw(child.id().cast_signed()),
            child: Mutex::new(child),
            lines,
            readers: stdout.into_iter().chain(stderr).collect(),
        }
    }
}

fn collect(
    stream: Stream,
    pipe: impl Read + Send + 'static,
    lines: Arc<Mutex<VecDeque<(Stream, String)>>>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { break };
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == MAX_LINES {
                lines.pop_front();
            }
            lines.push_back((stream, String::from_utf8_lossy(&line).into_owned()));
        }
    })
}

/// A running program. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct ChildProcess {
    program: PathBuf,
    pid: Pid,
    child: Mutex<Child>,
    lines: Arc<Mutex<VecDeque<(Stream, String)>>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl ChildProcess {
    /// Describes a program to start.
    pub fn builder(program: impl Into<PathBuf>) -> ChildProcessBuilder {
        let program = program.into();
        ChildProcessBuilder { command: Command::new(&program), program, stdin: None }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// The lines it has written to standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.written_to(Stream::Stdout)
    }

    /// The lines it has written to standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.written_to(Stream::Stderr)
    }

    /// All lines so far, in the order of their arrival.
    pub fn output(&self) -> Vec<(Stream, String)> {
        self.lines().iter().cloned().collect()
    }

    /// Waits for a line, on either stream, that `matches`, and returns it. Lines from before the call count.
    ///
    /// # Panics
    /// When the program ends or `limit` passes first; the message has the output's last lines.
    pub async fn wait_for_line(&self, limit: Duration, matches: impl Fn(&str) -> bool) -> String {
        let what = format!("{} writes the wanted line", self.program.display());
        wait_until(&what, limit, async || {
            // Asked first: what an ended program wrote is complete once its readers are done.
            let ended =
                self.exit_status().filter(|_| self.readers.iter().all(thread::JoinHandle::is_finished));
            if let Some((_, line)) = self.lines().iter().find(|(_, line)| matches(line)) {
                return Poll::Ready(line.clone());
            }
            match ended {
                Some(status) => Poll::Failed(format!("it ended with {status}; {}", self.last_lines())),
                None => Poll::not_yet(self.last_lines()),
            }
        })
        .await
    }

    /// Sends a signal. A program that has ended is no error.
    pub fn signal(&self, signal: Signal) {
        // The lock keeps `exit_status` from reaping it in between, after which the pid may be another's.
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None)) {
            signal::kill(self.pid, signal).ok();
        }
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Waits for its end, and for the last of its output.
    ///
    /// # Panics
    /// When it is still running after `limit`; the message has the output's last lines.
    pub async fn wait_exit(&self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.program.display());
        wait_until(&what, limit, async || match self.exit_status() {
            Some(status) if self.readers.iter().all(thread::JoinHandle::is_finished) => Poll::Ready(status),
            Some(status) => {
                Poll::NotYet { status: format!("{status}, but a child of it holds its output open") }
            }
            None => Poll::NotYet { status: format!("running; {}", self.last_lines()) },
        })
        .await
    }

    /// Asks it to end with SIGTERM and waits; returns the exit code, or 128 plus the signal that ended it.
    ///
    /// # Panics
    /// As [`Self::wait_exit`].
    pub async fn terminate(&self, limit: Duration) -> i32 {
        self.signal(Signal::SIGTERM);
        let status = self.wait_exit(limit).await;
        status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }

    /// Its resident memory in bytes (`VmRSS`), or `None` once it has ended.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        kib.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<(Stream, String)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written_to(&self, wanted: Stream) -> Vec<String> {
        self.lines().iter().filter(|(stream, _)| *stream == wanted).map(|(_, line)| line.clone()).collect()
    }

    fn last_lines(&self) -> String {
        let lines = self.lines();
        let last: Vec<&str> =
            lines.iter().skip(lines.len().saturating_sub(20)).map(|(_, line)| line.as_str()).collect();
        if last.is_empty() {
            "no output".to_owned()
        } else {
            format!("its last output:\n{}", last.join("\n"))
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let mut child = self.child();
        // Both fail only for a process that has been reaped already.
        child.kill().ok();
        child.wait().ok();
    }
}
