//! Copying a server's own log files into a stream, as RDS exports the log of a database.
//!
//! Every event that is copied says in its own line where in the files it ends. Event and position are one write, so
//! whoever goes on after a kill loses no line and writes none twice. What it is not: a second bound on the files. Those
//! are the server's, which may rotate, empty and remove them as it likes.

use crate::{events, logs::stream::LONGEST, logs::stream::Stream};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::SystemTime,
};

/// That much of a file is in memory at a time. A longest line fits.
const BLOCK: u64 = 1 << 20;

/// Where in the files an event ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Name of the file.
    file: String,
    /// Its number: another file may get the name.
    inode: u64,
    /// So many bytes of it were copied.
    offset: u64,
}

/// Copies the files of a directory into a stream. It is the stream's only writer.
#[derive(Debug)]
pub struct Copier {
    from: PathBuf,
    except: &'static str,
    into: Stream,
    position: Option<Position>,
    last_timestamp: u64,
}

/// A file as it was when the directory was listed. In the order in which the server has written them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    modified: SystemTime,
    name: String,
    inode: u64,
    bytes: u64,
}

impl Copier {
    /// Goes on where the stream says that copying has stopped; from the oldest file on, where it says nothing. A file of
    /// the name `except` is none of the log's.
    pub fn resume(from: PathBuf, except: &'static str, mut into: Stream) -> io::Result<Copier> {
        let position = into.resume()?;
        Ok(Copier { from, except, into, position, last_timestamp: events::now() })
    }

    /// Is its stream still there? A group takes its streams with it.
    pub fn has_stream(&self) -> bool {
        self.into.exists()
    }

    /// Copies a piece of what has come, and says whether there may be more. Files that were last written before `oldest`
    /// are passed over.
    pub fn advance(&mut self, oldest: Option<SystemTime>) -> io::Result<bool> {
        let sources = self.sources()?;
        let begun = sources.iter().position(|source| self.is_position(source));
        for (index, source) in sources.iter().enumerate().skip(begun.unwrap_or(0)) {
            let offset = match &self.position {
                // One that is shorter than before was emptied and begun anew.
                Some(position) if Some(index) == begun && position.offset <= source.bytes => position.offset,
                _ if oldest.is_some_and(|oldest| source.modified < oldest) => continue,
                _ => 0,
            };
            let is_complete = index + 1 < sources.len();
            if self.copy(source, offset, is_complete)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_position(&self, source: &Source) -> bool {
        let position = self.position.as_ref();
        position.is_some_and(|position| position.file == source.name && position.inode == source.inode)
    }

    fn sources(&self) -> io::Result<Vec<Source>> {
        let mut sources = Vec::new();
        let entries = match fs::read_dir(&self.from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(sources),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let found = match entry.metadata() {
                // It was removed just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            if found.is_file() && name != self.except {
                let (modified, inode, bytes) = (found.modified()?, found.ino(), found.len());
                sources.push(Source { modified, name, inode, bytes });
            }
        }
        sources.sort();
        Ok(sources)
    }

    /// Copies a block of a file, and says whether there was anything. The last line of a file that the server writes no more
    /// needs no end.
    fn copy(&mut self, source: &Source, offset: u64, is_complete: bool) -> io::Result<bool> {
        let mut file = match File::open(self.from.join(&source.name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        file.seek(SeekFrom::Start(offset))?;
        let mut content = Vec::new();
        file.take(BLOCK).read_to_end(&mut content)?;
        let is_end = (content.len() as u64) < BLOCK;
        let mut rest = content.as_slice();
        while let Some(taken) = first_piece(rest, is_end && is_complete) {
            let (piece, left) = rest.split_at(taken);
            rest = left;
            let position = Position {
                file: source.name.clone(),
                inode: source.inode,
                offset: offset + (content.len() - rest.len()) as u64,
            };
            let line = piece.strip_suffix(b"\n").unwrap_or(piece);
            if !line.is_empty() {
                let text = String::from_utf8_lossy(line);
                self.last_timestamp = self.timestamp(&text);
                self.into.append_at(self.last_timestamp, &text, &position)?;
            }
            self.position = Some(position);
        }
        Ok(rest.len() < content.len())
    }

    /// The time that a line begins with. That of the line before for one that goes on with it, and now where none is told.
    fn timestamp(&self, line: &str) -> u64 {
        let goes_on = line.starts_with(char::is_whitespace);
        moment(line).unwrap_or_else(|| if goes_on { self.last_timestamp } else { events::now() })
    }
}

/// How much of the content is the first line with its end, or a piece of one that is too long. `None` where it is not whole.
fn first_piece(content: &[u8], is_whole: bool) -> Option<usize> {
    let end = content.iter().take(LONGEST).position(|byte| *byte == b'\n');
    match end {
        Some(end) => Some(end + 1),
        None if content.len() > LONGEST => {
            // Before a byte that begins a character: one has four at most.
            let begins = |at: &usize| content[*at] & 0b1100_0000 != 0b1000_0000;
            Some((LONGEST - 3..=LONGEST).rev().find(begins).unwrap_or(LONGEST))
        }
        None => (is_whole && !content.is_empty()).then_some(content.len()),
    }
}

/// The moment that a line begins with, as PostgreSQL writes it for `%t` and `%m`: `2026-02-28 12:34:56.789 UTC`, in
/// milliseconds since 1970. In UTC only, which is what the lab and RDS log in.
fn moment(line: &str) -> Option<u64> {
    let mut words = line.splitn(3, ' ');
    let (date, time, zone) = (words.next()?, words.next()?, words.next()?);
    if !["UTC", "GMT"].iter().any(|utc| zone.starts_with(utc)) {
        return None;
    }
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_valid = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_valid || hour > 23 || minute > 59 || second > 60 || fraction.len() > 3 {
        return None;
    }
    // Days from a civil date, by the method of Howard Hinnant: http://howardhinnant.github.io/date_algorithms.html
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds * 1000 + number(&format!("{fraction:0<3}"))?)
}

#[cfg(test)]
mod tests;
