//! What has happened in a lab, one JSON line each, in a file and to whoever follows.

use serde::{Deserialize, Serialize};
use std::{
    fs::OpenOptions,
    io::Write as _,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;

/// Events that a slow follower may be behind before it misses some.
const BACKLOG: usize = 1024;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970.
    pub at: u64,
    /// What it is about: `network`, `database/hello`, `service/...`.
    pub part: String,
    /// One sentence.
    pub message: String,
}

/// The events of a lab.
#[derive(Debug)]
pub struct Events {
    file: PathBuf,
    followers: broadcast::Sender<Event>,
}

/// Now, in milliseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time of day in UTC, with milliseconds, of a moment in milliseconds since 1970.
pub fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, milliseconds % 1000)
}

impl Events {
    /// Events kept in `file`.
    pub fn new(file: PathBuf) -> Events {
        Events { file, followers: broadcast::Sender::new(BACKLOG) }
    }

    /// The file they are kept in.
    pub fn file(&self) -> &PathBuf {
        &self.file
    }

    /// Tells what has happened. An event that cannot be written is still logged.
    pub fn tell(&self, part: &str, message: &str) {
        tracing::info!(part, "{message}");
        let event = Event { at: now(), part: part.to_owned(), message: message.to_owned() };
        let mut line = serde_json::to_vec(&event).expect("texts and a number are JSON");
        line.push(b'\n');
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
            .and_then(|mut file| file.write_all(&line));
        if let Err(error) = written {
            tracing::warn!("failed to write an event: {error}");
        }
        // Nobody may be following.
        let _ = self.followers.send(event);
    }

    /// Told of each event from now on.
    pub fn follow(&self) -> broadcast::Receiver<Event> {
        self.followers.subscribe()
    }

    /// The last events, oldest first.
    pub fn last(&self, count: usize) -> Vec<Event> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(count);
        lines[from..].iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_event_is_kept_and_reaches_who_follows() {
        let directory = tempfile::tempdir().unwrap();
        let events = Events::new(directory.path().join("events.jsonl"));
        let mut follower = events.follow();
        events.tell("network", "it is up");
        assert_eq!(follower.recv().await.unwrap().message, "it is up");
        events.tell("network", "it is down");
        let last: Vec<_> = events.last(1).into_iter().map(|event| event.message).collect();
        assert_eq!(last, ["it is down"]);
    }
}
