//! Programs with a deadline.

use super::wait_for;
use std::{
    io::Read,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

/// What a program that has ended said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// What it wrote, where it was content.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(
            self.status.success(),
            "ended with {}\n{}\n{}",
            self.status,
            last_lines(&self.stdout),
            last_lines(&self.stderr)
        );
        self.stdout
    }
}

/// Terraform's last lines say what was wrong.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}

/// A program under way; ended on drop.
pub(crate) struct Running {
    child: Child,
    readers: [Option<JoinHandle<String>>; 2],
}

/// Starts a program.
#[track_caller]
pub(crate) fn start(command: &mut Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // With a process group of its own nothing of it outlives a test that fails.
    command.process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let readers = [Some(read(child.stdout.take().unwrap())), Some(read(child.stderr.take().unwrap()))];
    Running { child, readers }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Running {
    /// Waits for its end, for at most `limit`.
    #[track_caller]
    pub(crate) fn end(mut self, limit: Duration) -> Said {
        let status = wait_for("the program has ended", limit, || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err("it runs".to_owned()),
        });
        let [stdout, stderr] = &mut self.readers;
        let text = |reader: &mut Option<JoinHandle<String>>| reader.take().unwrap().join().unwrap();
        Said { status, stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let group = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command, limit: Duration) -> Said {
    start(command).end(limit)
}
