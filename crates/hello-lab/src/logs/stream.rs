//! Writing a stream.

use crate::{
    files::{DURABLE, gone, write_whole},
    logs::{Event, STREAM, copier::Position},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// A segment ends at this size.
const SEGMENT: usize = 4 << 20;
/// As many segments of a stream are kept: 32 MiB.
const SEGMENTS: usize = 8;
/// The longest message of one event, as in `CloudWatch` Logs; a longer line is cut into several.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>
pub const LONGEST: usize = 256 << 10;
/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// A stream that is open for appending. It has one writer.
#[derive(Debug)]
pub struct Stream {
    directory: PathBuf,
    name: String,
    open: Option<Segment>,
    /// Number of the last segment that was begun here: none gets it again, whatever of the stream was removed.
    last: u64,
    segment_bytes: usize,
}

#[derive(Debug)]
struct Segment {
    file: File,
    bytes: usize,
    day: u64,
}

/// An event that was copied from elsewhere, with where it ends there. Readers see the event.
#[derive(Serialize, Deserialize)]
struct Copied {
    #[serde(flatten)]
    event: Event,
    #[serde(rename = "p")]
    position: Position,
}

impl Stream {
    pub(super) fn open(directory: PathBuf, name: &str) -> Stream {
        Stream { directory, name: name.to_owned(), open: None, last: 0, segment_bytes: SEGMENT }
    }

    /// Ends segments at another size.
    #[cfg(test)]
    pub(super) fn with_segments_of(self, bytes: usize) -> Stream {
        Stream { segment_bytes: bytes, ..self }
    }

    /// Appends one event; a long message becomes several.
    pub fn append(&mut self, timestamp: u64, message: &str) -> io::Result<()> {
        for piece in pieces(message) {
            self.write(timestamp, &serde_json::to_vec(&Event { timestamp, message: piece.to_owned() })?)?;
        }
        Ok(())
    }

    /// Appends an event that is copied from elsewhere, and says where it ends there.
    pub(super) fn append_at(&mut self, timestamp: u64, message: &str, position: &Position) -> io::Result<()> {
        // All pieces of a long one end there: whoever goes on after the first has lost the rest, and doubles nothing.
        for piece in pieces(message) {
            let event = Event { timestamp, message: piece.to_owned() };
            self.write(timestamp, &serde_json::to_vec(&Copied { event, position: position.clone() })?)?;
        }
        Ok(())
    }

    /// Goes on in the last segment, and says where the last event that was copied ends: see [`Stream::append_at`].
    pub(super) fn resume(&mut self) -> io::Result<Option<Position>> {
        let segments = segments(&self.directory)?;
        for (number, path) in segments.iter().rev() {
            let content = match fs::read(path) {
                // It was too old just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                content => content?,
            };
            let mut lines = content.split(|byte| *byte == b'\n').rev();
            let Some(last) = lines.find_map(|line| serde_json::from_slice::<Copied>(line).ok()) else {
                continue;
            };
            let is_last = segments.last().is_some_and(|(last, _)| last == number);
            // Behind a line that was cut off the next segment begins.
            if is_last && content.ends_with(b"\n") {
                let file = OpenOptions::new().append(true).open(path)?;
                let day = last.event.timestamp / DAY;
                self.open = Some(Segment { file, bytes: content.len(), day });
            }
            return Ok(Some(last.position));
        }
        Ok(None)
    }

    /// Is it still there? A group takes its streams with it.
    pub(super) fn exists(&self) -> bool {
        self.directory.is_dir()
    }

    fn write(&mut self, timestamp: u64, event: &[u8]) -> io::Result<()> {
        let line = [event, b"\n"].concat();
        let day = timestamp / DAY;
        let full = |segment: &Segment| segment.bytes >= self.segment_bytes || segment.day != day;
        if self.open.as_ref().is_none_or(full) {
            self.open = Some(self.next_segment(day)?);
        }
        let segment = self.open.as_mut().expect("it was just opened");
        // One write of a whole line in append mode: no reader sees half of it mixed with another.
        match segment.file.write_all(&line) {
            Ok(()) => segment.bytes += line.len(),
            Err(error) => {
                // What of the line was written, ends here; the next segment begins clean.
                self.open = None;
                return Err(error);
            }
        }
        Ok(())
    }

    fn next_segment(&mut self, day: u64) -> io::Result<Segment> {
        let present = segments(&self.directory)?;
        let number = present.last().map_or(0, |(number, _)| *number).max(self.last) + 1;
        let path = self.directory.join(format!("{number:08}.jsonl"));
        let create = || OpenOptions::new().create_new(true).append(true).open(&path);
        let file = match create() {
            // The stream was empty for so long that it was removed; without its group it does not come back.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&self.directory)?;
                create()?
            }
            file => file?,
        };
        self.last = number;
        let described = self.directory.join(STREAM);
        if !described.exists() {
            write_whole(&described, &serde_json::to_vec(&self.name)?, DURABLE)?;
        }
        for (_, old) in present.iter().rev().skip(SEGMENTS - 1) {
            gone(fs::remove_file(old))?;
        }
        Ok(Segment { file, bytes: 0, day })
    }
}

/// A message in pieces of the length that one event may have; one piece where it is empty.
fn pieces(message: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let text = rest?;
        let cut = (0..=LONGEST.min(text.len())).rev().find(|cut| text.is_char_boundary(*cut)).unwrap_or(0);
        let (piece, left) = text.split_at(cut);
        rest = (!left.is_empty()).then_some(left);
        Some(piece)
    })
}

/// The segments of a stream by number.
pub(super) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_suffix(".jsonl").and_then(|number| number.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}
