//! Programs that run to their end: `initdb`, `pg_basebackup`, `mkfs`, `mount`.
//!
//! They are processes of the lab like any other, so one that outlived its daemon is found and ended before it is run
//! again: what it left half made is made anew.

use super::{
    error::{DatabaseError, Doing as _},
    files::{Files, ServerUser, remove_file},
};
use crate::{
    network::netns::Namespace,
    process::{Described, Processes, Running},
    timeouts,
};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// All programs that are run this way and could still be writing to an instance's files.
const PROGRAMS: [&str; 7] = ["initdb", "pg_basebackup", "cp", "mkfs.ext4", "mount", "e2fsck", "resize2fs"];

/// A program to run.
pub(super) struct Tool<'a> {
    pub(super) processes: &'a Processes,
    pub(super) owner: Owner,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// Root where `None`.
    pub(super) user: Option<ServerUser>,
    /// The machine's own where `None`.
    pub(super) namespace: Option<Namespace>,
    pub(super) limit: Duration,
}

/// For whom a program is run.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    /// What the name of the program's process begins with.
    pub(super) process: String,
    /// How errors name it.
    pub(super) identifier: String,
    /// Where the program's output goes.
    pub(super) directory: PathBuf,
}

impl Files {
    /// The instance, as whom a program is run for.
    pub(super) fn owner(&self) -> Owner {
        Owner { process: self.process(), identifier: self.identifier.clone(), directory: self.run.clone() }
    }
}

impl Tool<'_> {
    fn word(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Runs it; what it said. An end with an error is an error, with the end of what it said.
    pub(super) async fn run(&self) -> Result<String, DatabaseError> {
        let word = self.word();
        let described = Described {
            name: format!("{}.{word}", self.owner.process),
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            environment: vec![("LC_ALL".to_owned(), "C.UTF-8".to_owned())],
            namespace: self.namespace.clone(),
            user: self.user.map(|user| user.ids),
            directory: Path::new("/").to_owned(),
            log: self.owner.directory.join(format!("{word}.log")),
        };
        end(self.processes, &described.name).await?;
        remove_file(&described.log)?;
        let mut running = self.processes.start(&described).doing(|| format!("run {word}"))?;
        let ended = tokio::time::timeout(self.limit, running.ended()).await;
        let output = fs::read(&described.log).at("read", &described.log)?;
        let output = String::from_utf8_lossy(&output).trim().to_owned();
        match ended {
            Ok(Some(0)) => Ok(output),
            Ok(_) => Err(DatabaseError::Program {
                identifier: self.owner.identifier.clone(),
                program: word,
                output: last_lines(&output),
            }),
            Err(_) => {
                end_running(running, &described.name).await?;
                Err(DatabaseError::TimedOut {
                    identifier: self.owner.identifier.clone(),
                    what: word,
                    limit: self.limit,
                    status: last_lines(&output),
                })
            }
        }
    }
}

/// Ends a program that still runs, with the programs that it started.
async fn end(processes: &Processes, name: &str) -> Result<(), DatabaseError> {
    let Some(running) = processes.adopt(name).doing(|| format!("look for {name}"))? else { return Ok(()) };
    end_running(running, name).await
}

/// Who has started it waits for it too: else it stays as a zombie.
async fn end_running(running: Running, name: &str) -> Result<(), DatabaseError> {
    // Each process of the lab leads a group of its own.
    let _ = killpg(Pid::from_raw(running.pid()), Signal::SIGKILL);
    running.stop(timeouts::KILLED).await.doing(|| format!("end {name}"))
}

/// Ends every program that an earlier daemon may have started for an instance.
pub(super) async fn end_all(processes: &Processes, files: &Files) -> Result<(), DatabaseError> {
    for word in PROGRAMS {
        end(processes, &format!("{}.{word}", files.process())).await?;
    }
    Ok(())
}

/// The last lines of an output: enough to see the cause, and short enough for one message.
pub(super) fn last_lines(output: &str) -> String {
    let lines: Vec<_> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
