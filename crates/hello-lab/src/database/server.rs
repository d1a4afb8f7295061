//! The processes of a server: start, stop, freeze, kill.
//!
//! PostgreSQL's children lead sessions of their own and rewrite their environment, so neither group nor mark finds them.
//! What they have in common is their working directory: PGDATA.

use super::{
    error::{DatabaseError, Doing as _},
    files::{Files, ServerUser, remove_file},
    installation::Installation,
    tool::{Tool, last_lines},
};
use crate::{
    network::netns::Namespace,
    process::{Described, Processes, Running, state_of},
    timeouts,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant},
};

/// Starts the server; it answers later.
pub(super) fn start(
    processes: &Processes,
    files: &Files,
    installation: &Installation,
    user: ServerUser,
    namespace: Namespace,
) -> Result<Running, DatabaseError> {
    // Nobody works in the data directory any more, so whoever has the recorded number now is somebody else.
    remove_file(&files.data().join("postmaster.pid"))?;
    let described = Described {
        name: files.process(),
        program: installation.server(),
        arguments: vec![
            "-D".into(),
            files.data().into(),
            "-c".into(),
            format!("config_file={}", files.config().display()).into(),
        ],
        environment: vec![("LC_ALL".to_owned(), "C.UTF-8".to_owned())],
        namespace: Some(namespace),
        user: Some(user.ids),
        directory: files.volume(),
        log: files.startup_log(),
    };
    processes.start(&described).doing(|| format!("start {}", files.process()))
}

/// What tells two files, directories or namespaces apart, whatever path leads there.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino())).ok()
}

/// All processes that work in the data directory.
pub(super) fn members(data: &Path) -> BTreeSet<i32> {
    let Some(data) = identity(data) else { return BTreeSet::new() };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let works_there = identity(Path::new(&format!("/proc/{pid}/cwd"))) == Some(data);
        works_there && state_of(*pid).is_some_and(|state| state != 'Z')
    })
    .collect()
}

/// A signal to each; one that is gone is no error.
fn signal_all(pids: &BTreeSet<i32>, signal: Signal) {
    for pid in pids {
        let _ = kill(Pid::from_raw(*pid), signal);
    }
}

/// Stops every process where it is, so that none forks another meanwhile.
pub(super) async fn freeze(data: &Path) -> Result<(), DatabaseError> {
    let deadline = Instant::now() + timeouts::KILLED;
    loop {
        let pids = members(data);
        signal_all(&pids, Signal::SIGSTOP);
        let stopped = |pid: &i32| state_of(*pid).is_none_or(|state| matches!(state, 'T' | 'Z'));
        if pids == members(data) && pids.iter().all(stopped) {
            return Ok(());
        }
        wait_on(data, deadline, "its processes to stand still").await?;
    }
}

/// Lets every process go on.
pub(super) fn thaw(data: &Path) {
    signal_all(&members(data), Signal::SIGCONT);
}

/// Kills what is left in the data directory and waits until it is gone.
pub(super) async fn kill_members(data: &Path) -> Result<(), DatabaseError> {
    let deadline = Instant::now() + timeouts::KILLED;
    loop {
        let pids = members(data);
        if pids.is_empty() {
            return Ok(());
        }
        signal_all(&pids, Signal::SIGKILL);
        wait_on(data, deadline, "its processes to end").await?;
    }
}

async fn wait_on(data: &Path, deadline: Instant, what: &str) -> Result<(), DatabaseError> {
    if Instant::now() >= deadline {
        return Err(DatabaseError::Io {
            what: format!("wait for {what}: {}", data.display()),
            source: io::Error::new(io::ErrorKind::TimedOut, format!("{:?} are left", members(data))),
        });
    }
    tokio::time::sleep(timeouts::DATABASE_PAUSE).await;
    Ok(())
}

/// How to end a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A fast shutdown: sessions are ended, a checkpoint is written.
    Clean,
    /// An immediate one: nothing is written, the next start recovers.
    Immediate,
}

/// Ends the server and all its processes, by force where it takes too long.
pub(super) async fn stop(processes: &Processes, files: &Files, ending: Ending) -> Result<(), DatabaseError> {
    let data = files.data();
    let what = || format!("stop {}", files.process());
    if let Some(mut running) = processes.adopt(&files.process()).doing(what)? {
        thaw(&data);
        // https://www.postgresql.org/docs/15/server-shutdown.html
        let steps: &[(Signal, Duration)] = match ending {
            Ending::Clean => {
                &[(Signal::SIGINT, timeouts::DATABASE_STOP), (Signal::SIGQUIT, timeouts::DATABASE_QUIT)]
            }
            Ending::Immediate => &[(Signal::SIGQUIT, timeouts::DATABASE_QUIT)],
        };
        let mut has_ended = false;
        for (signal, limit) in steps {
            running.signal(*signal).doing(what)?;
            has_ended = tokio::time::timeout(*limit, running.ended()).await.is_ok();
            if has_ended {
                break;
            }
        }
        if !has_ended {
            running.stop_with(Signal::SIGKILL, timeouts::KILLED).await.doing(what)?;
        }
    }
    kill_members(&data).await
}

/// Removes the System V segment that a killed server leaves: 56 bytes by which PostgreSQL knows that nobody else works
/// in the data directory. The next start there would remove it; without one it stays until the machine's next boot.
///
/// Line 7 of `postmaster.pid` is its key and number: <https://www.postgresql.org/docs/15/storage-file-layout.html>
pub(super) async fn forget_shared_memory(processes: &Processes, files: &Files) -> Result<(), DatabaseError> {
    let Ok(lock) = fs::read_to_string(files.data().join("postmaster.pid")) else { return Ok(()) };
    let Some(segment) = lock.lines().nth(6).and_then(segment_in) else { return Ok(()) };
    let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let unused = segments.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // key, shmid, perms, size, cpid, lpid, nattch
        let [key, number, _, _, _, _, attached, ..] = fields.as_slice() else { return false };
        (*key, *number, *attached) == (segment.0.as_str(), segment.1.as_str(), "0")
    });
    if unused {
        let tool = Tool {
            processes,
            owner: files.owner(),
            program: "ipcrm".into(),
            arguments: vec!["-m".into(), segment.1.into()],
            user: None,
            namespace: None,
            limit: timeouts::DATABASE_TOOL,
        };
        tool.run().await?;
    }
    Ok(())
}

fn segment_in(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

/// The end of what the server said before it opened its own log, and of that log.
pub(super) fn last_words(files: &Files) -> String {
    let newest = fs::read_dir(files.log())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .max_by_key(|path| fs::metadata(path).and_then(|found| found.modified()).ok());
    let text = newest.and_then(|path| fs::read(path).ok()).unwrap_or_default();
    // A log may be long; its end is enough.
    let end = &text[text.len().saturating_sub(4096)..];
    last_lines(&String::from_utf8_lossy(end))
}
