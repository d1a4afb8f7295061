//! Log groups and streams, as files.
//!
//! A group is a directory, a stream a directory in it. A stream's events stand in segments, one JSON object a line; the
//! one program that writes a stream appends whole lines to the last segment, and readers follow it from segment to
//! segment. Segments end with the day and at a size, so that retention and the bound on the size of a stream are the
//! removal of whole files.
//!
//! - [`copier`]: copies a server's own log files into a stream
//! - [`name`]: any name as a file name
//! - [`stream`]: what writes one
//! - [`reader`]: what reads and follows them

pub mod copier;
pub mod name;
pub mod reader;
pub mod stream;

use crate::{
    files::{DURABLE, gone, write_whole},
    lab::Lab,
    logs::{
        reader::{Filter, Reader},
        stream::Stream,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// What a group keeps beside its streams.
const GROUP: &str = "group.json";
/// What a stream keeps beside its segments.
const STREAM: &str = "stream.json";

/// The log groups of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    directory: PathBuf,
}

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name, slashes included.
    pub name: String,
    /// For how many days events are kept; for ever where `None`.
    pub retention_days: Option<u32>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970.
    #[serde(rename = "t")]
    pub timestamp: u64,
    /// The line without its end.
    #[serde(rename = "m")]
    pub message: String,
}

impl Logs {
    /// Those of a region of the lab.
    pub fn new(lab: &Lab, region: &str) -> Logs {
        Logs { directory: lab.data("logs").join(name::encoded(region)) }
    }

    /// The regions that have log groups: names of regions are file names as they are.
    pub fn regions(lab: &Lab) -> io::Result<BTreeSet<String>> {
        let there = directories(&lab.data("logs"))?.into_iter();
        Ok(there.filter_map(|directory| Some(directory.file_name()?.to_str()?.to_owned())).collect())
    }

    fn group(&self, group: &str) -> PathBuf {
        self.directory.join(name::encoded(group))
    }

    /// Makes the group, or changes its retention.
    pub fn put_group(&self, group: &Group) -> io::Result<()> {
        let directory = self.group(&group.name);
        fs::create_dir_all(&directory)?;
        write_whole(&directory.join(GROUP), &serde_json::to_vec(group)?, DURABLE)
    }

    /// Removes the group with all its streams; one that is gone already is no error.
    pub fn delete_group(&self, group: &str) -> io::Result<()> {
        gone(fs::remove_dir_all(self.group(group)))
    }

    /// All groups by name.
    pub fn groups(&self) -> io::Result<Vec<Group>> {
        let mut groups = Vec::new();
        for directory in directories(&self.directory)? {
            // A group without its file is about to be made or removed.
            if let Ok(content) = fs::read(directory.join(GROUP)) {
                groups.push(serde_json::from_slice::<Group>(&content)?);
            }
        }
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(groups)
    }

    /// Opens a stream for appending and makes it where it is not there. `NotFound` where the group does not exist.
    pub fn stream(&self, group: &str, stream: &str) -> io::Result<Stream> {
        let directory = self.group(group);
        if !directory.join(GROUP).exists() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "The specified log group does not exist."));
        }
        let directory = directory.join(name::encoded(stream));
        fs::create_dir_all(&directory)?;
        write_whole(&directory.join(STREAM), &serde_json::to_vec(stream)?, DURABLE)?;
        Ok(Stream::open(directory, stream))
    }

    /// The names of a group's streams.
    pub fn streams(&self, group: &str) -> io::Result<Vec<String>> {
        Ok(self.stream_directories(group)?.into_iter().map(|(name, _)| name).collect())
    }

    fn stream_directories(&self, group: &str) -> io::Result<Vec<(String, PathBuf)>> {
        let mut streams = Vec::new();
        for directory in directories(&self.group(group))? {
            if let Ok(content) = fs::read(directory.join(STREAM)) {
                streams.push((serde_json::from_slice(&content)?, directory));
            }
        }
        streams.sort();
        Ok(streams)
    }

    /// A reader of a group, from the first event that is kept.
    pub fn read(&self, group: &str, filter: Filter) -> Reader {
        Reader::new(self.clone(), group, filter)
    }

    /// Removes what is older than the groups' retention at this time, and streams that have been empty for as long. Says
    /// how many segments and streams there were. `CloudWatch` keeps the names of empty streams for ever
    /// (<https://aws.amazon.com/blogs/mt/delete-empty-cloudwatch-log-streams/>).
    pub fn prune(&self, now: SystemTime) -> io::Result<usize> {
        let mut removed = 0;
        for group in self.groups()? {
            let Some(days) = group.retention_days else { continue };
            let Some(oldest) = now.checked_sub(Duration::from_secs(u64::from(days) * 86_400)) else {
                continue;
            };
            for directory in directories(&self.group(&group.name))? {
                let segments = stream::segments(&directory)?;
                // What was last written before that time holds nothing younger.
                let old = segments.iter().filter(|(_, segment)| is_older(segment, oldest));
                for (_, segment) in old {
                    gone(fs::remove_file(segment))?;
                    removed += 1;
                }
                if segments.is_empty() && is_older(&directory, oldest) {
                    removed += usize::from(remove_empty(&directory)?);
                }
            }
        }
        Ok(removed)
    }
}

fn is_older(path: &Path, oldest: SystemTime) -> bool {
    fs::metadata(path).and_then(|found| found.modified()).is_ok_and(|last| last < oldest)
}

/// Removes a stream without segments, unless its writer begins one at this moment.
fn remove_empty(stream: &Path) -> io::Result<bool> {
    let name = fs::read(stream.join(STREAM));
    gone(fs::remove_file(stream.join(STREAM)))?;
    match fs::remove_dir(stream) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            if let Ok(name) = name {
                write_whole(&stream.join(STREAM), &name, DURABLE)?;
            }
            Ok(false)
        }
        removed => gone(removed).map(|()| true),
    }
}

fn directories(of: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(of) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
