//! Where a task's files are, and what its shim is told.

use crate::{
    files::{PASSING, gone, write_whole},
    lab::Lab,
    logs::Logs,
    task::{
        image::{Content, Store},
        model::{Report, Task},
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// In the directory of a task: the bundles of its containers.
const CONTAINERS: &str = "containers";
/// In a bundle: what it uses of its image.
pub const IMAGE: &str = "image.json";

/// The directories of all tasks of a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Files {
    /// On a tmpfs: what counts while a task runs, secrets among it.
    run: PathBuf,
    /// On disk: what containers write into their roots.
    data: PathBuf,
}

/// Everything that a shim needs to know. The file holds secrets: root alone may read it, and it goes with the task.
#[derive(Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Name of the lab.
    pub lab: String,
    /// The task.
    pub task: Task,
    /// Its files.
    pub files: Files,
    /// The images.
    pub images: Store,
    /// The log groups of its region.
    pub logs: Logs,
}

/// Why a task is told to stop, as ECS says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// `UserInitiated`, `ServiceSchedulerInitiated`, ...
    pub code: String,
    /// One sentence.
    pub reason: String,
}

impl Files {
    /// Those of a lab.
    pub fn new(lab: &Lab) -> Files {
        Files { run: lab.run("tasks"), data: lab.data("tasks") }
    }

    /// The directory whose files say how the tasks fare; one file a task, replaced whole.
    pub fn statuses(&self) -> PathBuf {
        self.run.join("status")
    }

    /// The file that says how a task fares.
    pub fn status(&self, id: &str) -> PathBuf {
        self.statuses().join(format!("{id}.json"))
    }

    /// The directory of a task on the tmpfs.
    pub fn directory(&self, id: &str) -> PathBuf {
        self.run.join(id)
    }

    /// The directory of a task on disk.
    pub fn storage(&self, id: &str) -> PathBuf {
        self.data.join(id)
    }

    /// The bundle of a container.
    pub fn bundle(&self, id: &str, container: &str) -> PathBuf {
        bundle(&self.directory(id), container)
    }

    /// The file with the [`Spec`].
    pub fn spec(&self, id: &str) -> PathBuf {
        self.directory(id).join("task.json")
    }

    /// The file with the [`StopRequest`].
    pub fn stop(&self, id: &str) -> PathBuf {
        self.directory(id).join("stop.json")
    }

    /// Makes the directories that only root may enter.
    pub fn prepare(&self, id: &str) -> io::Result<()> {
        for directory in [&self.run, &self.data, &self.statuses(), &self.directory(id), &self.storage(id)] {
            private_directory(directory)?;
        }
        Ok(())
    }

    /// What a task's file says of it, if there is one.
    pub fn report(&self, id: &str) -> io::Result<Option<Report>> {
        read(&self.status(id))
    }

    /// Writes how a task fares.
    pub fn publish(&self, id: &str, report: &Report) -> io::Result<()> {
        write_whole(&self.status(id), &serde_json::to_vec(report)?, PASSING)
    }

    /// Why the task was told to stop, if it was.
    pub fn stop_request(&self, id: &str) -> io::Result<Option<StopRequest>> {
        read(&self.stop(id))
    }

    /// What the containers of all tasks use of their images; `None` where one does not say so yet.
    pub fn images(&self) -> io::Result<Option<Vec<Content>>> {
        let mut found = Vec::new();
        for id in entries(&self.run)?.into_iter().filter(|name| is_id(name)) {
            let containers = self.directory(&id).join(CONTAINERS);
            for container in entries(&containers)? {
                match read(&containers.join(container).join(IMAGE))? {
                    Some(content) => found.push(content),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(found))
    }

    /// The tasks that have a file or a directory.
    pub fn tasks(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for directory in [&self.run, &self.data, &self.statuses()] {
            for entry in entries(directory)? {
                let name = entry.strip_suffix(".json").unwrap_or(&entry);
                if is_id(name) {
                    found.push(name.to_owned());
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Removes the files of a task, but for the one that says how it fared.
    pub fn remove(&self, id: &str) -> io::Result<()> {
        gone(fs::remove_dir_all(self.directory(id)))?;
        gone(fs::remove_dir_all(self.storage(id)))
    }

    /// Removes everything of all tasks.
    pub fn remove_all(&self) -> io::Result<()> {
        gone(fs::remove_dir_all(&self.run))?;
        gone(fs::remove_dir_all(&self.data))
    }
}

/// The bundle of a container of the task with this directory.
pub fn bundle(directory: &Path, container: &str) -> PathBuf {
    directory.join(CONTAINERS).join(container)
}

/// Is it the identifier of a task: 32 hexadecimal digits?
pub fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Makes a directory that root alone may enter. Those above it are open: other parts have theirs beside it.
pub fn private_directory(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        content => Ok(Some(serde_json::from_slice(&content?)?)),
    }
}

fn entries(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}
