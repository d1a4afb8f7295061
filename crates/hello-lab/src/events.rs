//! What has happened in a lab, one JSON line each, in a file and to whoever follows.

use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;

/// Events that a slow follower may be behind before it misses some.
const BACKLOG: usize = 1024;

/// Bytes of events after which a new file is begun. The one before it is kept, and no older one.
const SEGMENT: u64 = 4 << 20;

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
    writing: Mutex<()>,
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
        Events { file, writing: Mutex::default(), followers: broadcast::Sender::new(BACKLOG) }
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
        if let Err(error) = self.write(&line) {
            tracing::warn!("failed to write an event: {error}");
        }
        // Nobody may be following.
        let _ = self.followers.send(event);
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if fs::metadata(&self.file).is_ok_and(|file| file.len() > SEGMENT) {
            fs::rename(&self.file, self.older())?;
        }
        OpenOptions::new().create(true).append(true).open(&self.file)?.write_all(line)
    }

    fn older(&self) -> PathBuf {
        self.file.with_extension("older.jsonl")
    }

    /// Told of each event from now on.
    pub fn follow(&self) -> broadcast::Receiver<Event> {
        self.followers.subscribe()
    }

    /// The last events, oldest first.
    pub fn last(&self, count: usize) -> Vec<Event> {
        let mut lines = last_lines(&self.file, count).unwrap_or_default();
        if lines.len() < count {
            let mut older = last_lines(&self.older(), count - lines.len()).unwrap_or_default();
            older.append(&mut lines);
            lines = older;
        }
        lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

/// The last lines of a file, read from its end.
fn last_lines(path: &Path, count: usize) -> io::Result<Vec<Vec<u8>>> {
    const PIECE: u64 = 64 << 10;
    let mut file = File::open(path)?;
    let mut from = file.metadata()?.len();
    let mut text = Vec::new();
    let mut ends = 0;
    // The line before the first of them may be cut.
    while from > 0 && ends <= count {
        let length = from.min(PIECE);
        from -= length;
        file.seek(SeekFrom::Start(from))?;
        let mut piece = Vec::new();
        Read::by_ref(&mut file).take(length).read_to_end(&mut piece)?;
        ends += piece.split(|byte| *byte == b'\n').count() - 1;
        piece.append(&mut text);
        text = piece;
    }
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(count)..].iter().map(|line| line.to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_bounded_and_the_last_events_are_found_across_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let events = Events::new(directory.path().join("events.jsonl"));
        let sentence = "x".repeat(100 << 10);
        for number in 0..130 {
            events.tell("part", &format!("{number} {sentence}"));
        }
        let bytes: u64 = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(bytes < 3 * SEGMENT, "{bytes}");
        for count in [1, 30, 45] {
            let numbers: Vec<usize> = events
                .last(count)
                .iter()
                .map(|event| event.message.split(' ').next().unwrap().parse().unwrap())
                .collect();
            assert_eq!(numbers, (130 - count..130).collect::<Vec<_>>());
        }
    }

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
