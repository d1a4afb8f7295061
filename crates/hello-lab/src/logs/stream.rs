//! Writing a stream.

use crate::{files::gone, logs::Event};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// A segment ends at this size.
const SEGMENT: u64 = 4 << 20;
/// As many segments of a stream are kept: 32 MiB.
const SEGMENTS: usize = 8;
/// The longest message of one event, as in `CloudWatch` Logs; a longer line is cut into several.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>
pub const LONGEST: usize = 256 << 10;

/// A stream that is open for appending. It has one writer.
#[derive(Debug)]
pub struct Stream {
    directory: PathBuf,
    open: Option<Segment>,
    segment_bytes: u64,
}

#[derive(Debug)]
struct Segment {
    file: File,
    bytes: u64,
    day: u64,
}

impl Stream {
    pub(super) fn open(directory: PathBuf) -> Stream {
        Stream { directory, open: None, segment_bytes: SEGMENT }
    }

    /// Ends segments at another size.
    #[cfg(test)]
    pub(super) fn with_segments_of(self, bytes: u64) -> Stream {
        Stream { segment_bytes: bytes, ..self }
    }

    /// Appends one event; a long message becomes several.
    pub fn append(&mut self, timestamp: u64, message: &str) -> io::Result<()> {
        let mut rest = message;
        loop {
            let cut =
                (0..=LONGEST.min(rest.len())).rev().find(|cut| rest.is_char_boundary(*cut)).unwrap_or(0);
            let (piece, left) = rest.split_at(cut);
            self.append_one(&Event { timestamp, message: piece.to_owned() })?;
            if left.is_empty() {
                return Ok(());
            }
            rest = left;
        }
    }

    fn append_one(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let day = event.timestamp / 86_400_000;
        let full = |segment: &Segment| segment.bytes >= self.segment_bytes || segment.day != day;
        if self.open.as_ref().is_none_or(full) {
            self.open = Some(self.next_segment(day)?);
        }
        let segment = self.open.as_mut().expect("it was just opened");
        // One write of a whole line in append mode: no reader sees half of it mixed with another.
        match segment.file.write_all(&line) {
            Ok(()) => segment.bytes += line.len() as u64,
            Err(error) => {
                // What of the line was written, ends here; the next segment begins clean.
                self.open = None;
                return Err(error);
            }
        }
        Ok(())
    }

    fn next_segment(&self, day: u64) -> io::Result<Segment> {
        let present = segments(&self.directory)?;
        let number = present.last().map_or(1, |(number, _)| number + 1);
        let path = self.directory.join(format!("{number:08}.jsonl"));
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        for (_, old) in present.iter().rev().skip(SEGMENTS - 1) {
            gone(fs::remove_file(old))?;
        }
        Ok(Segment { file, bytes: 0, day })
    }
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
