//! Servers that are hidden subcommands of the daemon's own program, run as processes of their own.
//!
//! Such a server writes `ready` into its directory once its sockets are open, with what there is to tell (a port). Its
//! arguments are kept in `started`: one that was started with others is replaced.

use crate::{
    files::{PASSING, gone, write_whole},
    lab::Lab,
    network::netns::Namespace,
    process::Described,
    timeouts,
};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

/// The file that says that a server is ready.
const READY: &str = "ready";

/// The file with the arguments that a server was started with.
const STARTED: &str = "started";

/// A server.
pub(crate) struct Subcommand<'a> {
    /// Its lab.
    pub(crate) lab: &'a Lab,
    /// The daemon's program.
    pub(crate) program: &'a Path,
    /// Name of its process, unique in the lab.
    pub(crate) process: String,
    /// Its directory, which it runs in.
    pub(crate) directory: PathBuf,
    /// Where its connections are made; `None` to end it.
    pub(crate) lives_in: Option<Namespace>,
}

impl Subcommand<'_> {
    /// Makes it run with these arguments in the namespace; what it has to tell.
    pub(crate) async fn ensure(
        &self,
        arguments: &[String],
        namespace: Option<&Namespace>,
    ) -> io::Result<String> {
        let wanted = fingerprint(arguments, namespace)?;
        let (ready, started) = (self.directory.join(READY), self.directory.join(STARTED));
        let running = self.lab.processes().adopt(&self.process)?;
        let lives = |pid| self.lives_in.as_ref().is_none_or(|namespace| namespace.holds(pid));
        if running.is_some_and(|running| lives(running.pid()))
            && fs::read(&started).is_ok_and(|has| has == wanted)
            && let Some(told) = told(&ready)
        {
            return Ok(told);
        }
        self.stop().await?;
        fs::create_dir_all(&self.directory)?;
        gone(fs::remove_file(&ready))?;
        write_whole(&started, &wanted, PASSING)?;
        let log = self.directory.join("log");
        let described = Described {
            name: self.process.clone(),
            program: self.program.to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: Vec::new(),
            namespace: namespace.cloned(),
            user: None,
            directory: self.directory.clone(),
            log: log.clone(),
        };
        gone(fs::remove_file(&log))?;
        let mut running = self.lab.processes().start(&described)?;
        let deadline = Instant::now() + timeouts::PROCESS_START;
        loop {
            if let Some(told) = told(&ready) {
                return Ok(told);
            }
            if !running.is_alive() {
                running.ended().await;
                return Err(io::Error::other(last_lines(&log)));
            }
            if Instant::now() > deadline {
                running.stop(timeouts::PROCESS_STOP).await?;
                let limit = timeouts::PROCESS_START;
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!(
                        "{} was not ready after {limit:?}; {}",
                        described.command_line(),
                        last_lines(&log)
                    ),
                ));
            }
            tokio::time::sleep(timeouts::POLL_START).await;
        }
    }

    /// Says that it runs with these arguments, though it was started with others that come to the same.
    pub(crate) fn describe(&self, arguments: &[String], namespace: Option<&Namespace>) -> io::Result<()> {
        write_whole(&self.directory.join(STARTED), &fingerprint(arguments, namespace)?, PASSING)
    }

    /// Its process number, if it runs.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.lab.processes().adopt(&self.process).ok().flatten().map(|running| running.pid())
    }

    /// Ends it, and leaves its files.
    pub(crate) async fn stop(&self) -> io::Result<()> {
        match self.lab.processes().adopt(&self.process)? {
            Some(running) => running.stop(timeouts::PROCESS_STOP).await,
            None => Ok(()),
        }
    }

    /// Ends it and removes its files; one that is gone already is no error.
    pub(crate) async fn delete(&self) -> io::Result<()> {
        self.stop().await?;
        gone(fs::remove_dir_all(&self.directory))
    }
}

/// Removes a directory that has nothing in it any more; one that is gone is no error.
pub(crate) fn remove_empty(directory: &Path) -> io::Result<()> {
    gone(fs::remove_dir(directory))
}

fn fingerprint(arguments: &[String], namespace: Option<&Namespace>) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&(arguments, namespace.map(Namespace::name)))?)
}

/// What a server that is ready has said: a line, once it is whole.
fn told(ready: &Path) -> Option<String> {
    fs::read_to_string(ready).ok()?.strip_suffix('\n').map(str::to_owned)
}

/// Names of the servers that have a directory below `directory`.
pub(crate) fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// In the server: warnings go to its log. What is said of every question and connection does not.
pub(crate) fn log() {
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(io::stderr);
    // Whoever runs it in a program that logs already wants that.
    let _ = log.with_ansi(false).try_init();
}

/// In the server: opens the file by which it will say that it is ready. That takes root, which it then gives up.
pub(crate) fn announcement() -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(READY)
}

/// In the server: says that it is ready.
pub(crate) fn ready(mut announcement: File, told: &str) -> io::Result<()> {
    announcement.write_all(format!("{told}\n").as_bytes())
}

/// The end of a log, where the reason of a failure stands.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(4).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}
