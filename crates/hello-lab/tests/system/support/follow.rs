//! Programs that do not end by themselves, read line by line.

use super::{lab::SOON, wait_for};
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// A program under way, with what it has said so far; ended on drop.
pub(crate) struct Follower {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Follower {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Follower {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, read) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                read.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Follower { child, lines }
    }

    /// How many lines it has said.
    pub(crate) fn count(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until it says a line with these words, not looking at the first `after` lines.
    #[track_caller]
    pub(crate) fn says(&self, words: &str, after: usize) {
        wait_for(&format!("it says {words:?}"), SOON, || {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let said = lines.iter().skip(after).any(|line| line.contains(words));
            if said { Ok(()) } else { Err(format!("{} lines, the last: {:?}", lines.len(), lines.last())) }
        });
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
