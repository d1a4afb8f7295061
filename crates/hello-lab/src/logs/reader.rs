//! Reading a group, and following it.

use crate::{
    logs::{Event, Logs, stream},
    timeouts,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// That much of a stream is in memory at a time.
const BLOCK: u64 = 1 << 20;

/// Which events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Streams whose names begin so; all where `None`.
    pub stream_prefix: Option<String>,
    /// Not before this time, in milliseconds since 1970.
    pub since: u64,
}

/// Reads a group and remembers how far it has come.
#[derive(Debug)]
pub struct Reader {
    logs: Logs,
    group: String,
    filter: Filter,
    positions: BTreeMap<String, Position>,
}

#[derive(Debug, Default)]
struct Position {
    segment: u64,
    offset: u64,
}

/// An event and the stream that it stands in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The event.
    pub event: Event,
    /// Name of the stream.
    pub stream: String,
}

impl Reader {
    pub(super) fn new(logs: Logs, group: &str, filter: Filter) -> Reader {
        Reader { logs, group: group.to_owned(), filter, positions: BTreeMap::new() }
    }

    /// What has come since the last call, in order of time; within a stream, in the order of writing. Empty where there
    /// is nothing new; a long log takes several calls.
    pub fn read_new(&mut self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        let streams = self.logs.stream_directories(&self.group)?;
        self.positions.retain(|known, _| streams.iter().any(|(name, _)| name == known));
        for (name, directory) in streams {
            if self.filter.stream_prefix.as_ref().is_some_and(|prefix| !name.starts_with(prefix.as_str())) {
                continue;
            }
            let position = self.positions.entry(name.clone()).or_default();
            for event in position.advance(&directory)? {
                if event.timestamp >= self.filter.since {
                    found.push(Found { event, stream: name.clone() });
                }
            }
        }
        // The sort is stable: lines of one stream keep their order.
        found.sort_by_key(|found| found.event.timestamp);
        Ok(found)
    }

    /// Waits until something has come.
    pub async fn follow(&mut self) -> io::Result<Vec<Found>> {
        loop {
            let found = self.read_new()?;
            if !found.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(timeouts::LOG_POLL).await;
        }
    }
}

impl Position {
    fn advance(&mut self, directory: &Path) -> io::Result<Vec<Event>> {
        let segments = stream::segments(directory)?;
        let mut left = BLOCK;
        let mut events = Vec::new();
        for (position, (number, path)) in segments.iter().enumerate() {
            if *number < self.segment || left == 0 {
                continue;
            }
            if *number > self.segment {
                *self = Position { segment: *number, offset: 0 };
            }
            let mut file = match File::open(path) {
                // It was too old just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            file.seek(SeekFrom::Start(self.offset))?;
            let mut content = Vec::new();
            // At least one whole line fits, whatever its escapes.
            let room = left.max(8 * stream::LONGEST as u64);
            file.take(room).read_to_end(&mut content)?;
            let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in content[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                // A line that a full disk has cut is passed over.
                if let Ok(event) = serde_json::from_slice(line) {
                    events.push(event);
                }
            }
            self.offset += whole as u64;
            left = left.saturating_sub(whole as u64);
            let last = position + 1 == segments.len();
            if !last && whole < content.len() && (content.len() as u64) < room {
                // Half a line at the end of a segment that is complete stays half.
                self.offset += (content.len() - whole) as u64;
            }
        }
        Ok(events)
    }
}
