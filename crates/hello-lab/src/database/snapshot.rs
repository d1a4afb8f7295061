//! Snapshots: whole copies of an instance's data.

use super::{
    configuration::SUPERUSER,
    error::{DatabaseError, Doing as _},
    files::{
        Files, ServerUser, checked_key, checked_name, directories, key, make_directory, remove_directory,
        remove_file,
    },
    installation::Installation,
    storage::sync_file_system,
    tool::{self, Tool},
};
use crate::{
    files::{DURABLE, write_whole},
    lab::Lab,
    process::Processes,
    timeouts,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What the directory of a snapshot in the making ends with. A dot is in no name, so it is nobody's snapshot.
const UNFINISHED: &str = ".unfinished";

/// A snapshot that is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its region.
    pub region: String,
    /// Its name, unique in the region.
    pub name: String,
    /// Identifier of the instance it was taken of, in the same region.
    pub instance: String,
    /// Major version of PostgreSQL.
    pub major_version: u32,
    /// When it was complete.
    pub created: SystemTime,
}

/// The directory of a snapshot.
fn directory(lab: &Lab, key: &str) -> Result<PathBuf, DatabaseError> {
    let (region, name) = checked_key(key)?;
    Ok(lab.data("snapshots").join(region).join(name))
}

/// The complete snapshot of this region and name.
pub(super) fn find(lab: &Lab, key: &str) -> Result<Option<Snapshot>, DatabaseError> {
    let path = directory(lab, key)?.join("snapshot.json");
    match fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from).at("understand", &path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", &path),
    }
}

/// All complete snapshots, by region and name.
pub(super) fn list(lab: &Lab) -> Result<Vec<Snapshot>, DatabaseError> {
    let all = lab.data("snapshots");
    let mut found = Vec::new();
    for region in directories(&all) {
        // Unfinished ones have a name that is none.
        let names = directories(&all.join(&region)).into_iter().filter(|name| checked_name(name).is_ok());
        for name in names {
            found.extend(find(lab, &key(&region, &name))?);
        }
    }
    Ok(found)
}

/// Snapshots in the making, or left so: their keys, and where they are.
pub(super) fn unfinished(lab: &Lab) -> Vec<(String, PathBuf)> {
    let all = lab.data("snapshots");
    let mut found = Vec::new();
    for region in directories(&all) {
        for directory in directories(&all.join(&region)) {
            if let Some(name) = directory.strip_suffix(UNFINISHED) {
                found.push((key(&region, name), all.join(&region).join(&directory)));
            }
        }
    }
    found
}

/// Removes a snapshot.
pub(super) fn delete(lab: &Lab, key: &str) -> Result<(), DatabaseError> {
    if find(lab, key)?.is_none() {
        let (_, name) = checked_key(key)?;
        return Err(DatabaseError::NoSnapshot(name.to_owned()));
    }
    remove_directory(&directory(lab, key)?)
}

/// Copies the data of an instance: by a base backup where it runs, else file by file.
pub(super) struct Copy<'a> {
    pub(super) lab: &'a Lab,
    pub(super) processes: &'a Processes,
    pub(super) files: &'a Files,
    pub(super) user: ServerUser,
}

impl Copy<'_> {
    /// Takes a snapshot. `running_on` is the port where the server answers, `None` where no server runs.
    pub(super) async fn take(&self, name: &str, running_on: Option<u16>) -> Result<Snapshot, DatabaseError> {
        let complete = directory(self.lab, &key(&self.files.region, name))?;
        let region = self.lab.data("snapshots").join(&self.files.region);
        make_directory(&region, 0o755, None)?;
        let aside = region.join(format!("{name}{UNFINISHED}"));
        // A copy that was cut off may still be writing there.
        tool::end_all(self.processes, self.files).await?;
        remove_directory(&aside)?;
        make_directory(&aside, 0o755, Some(self.user))?;
        let data = aside.join("data");
        let major_version = major_of(self.files)?;
        match running_on {
            Some(port) => self.back_up(port, major_version, &data).await?,
            None => self.copy(&self.files.data(), &data).await?,
        }
        sync_file_system(data).await?;
        let snapshot = Snapshot {
            region: self.files.region.clone(),
            name: name.to_owned(),
            instance: self.files.identifier.clone(),
            major_version,
            created: SystemTime::now(),
        };
        let text = serde_json::to_vec_pretty(&snapshot).map_err(io::Error::from);
        text.and_then(|text| write_whole(&aside.join("snapshot.json"), &text, DURABLE))
            .at("write", &aside)?;
        fs::rename(&aside, &complete).at("make", &complete)?;
        File::open(&region).and_then(|file| file.sync_all()).at("write out", &complete)?;
        Ok(snapshot)
    }

    async fn back_up(&self, port: u16, major: u32, to: &Path) -> Result<(), DatabaseError> {
        let installation = Installation::find(self.lab, &self.files.identifier, major)?;
        let conninfo = format!(
            "host='{}' port={port} user={SUPERUSER} application_name=snapshot",
            self.files.socket().display().to_string().replace('\\', "\\\\").replace('\'', "\\'")
        );
        let mut arguments = vec!["-d".into(), conninfo.into(), "-D".into(), to.into()];
        arguments.extend(["-X", "stream", "-c", "fast", "--no-sync", "--no-password"].map(Into::into));
        let tool = Tool {
            processes: self.processes,
            owner: self.files.owner(),
            program: installation.program("pg_basebackup"),
            arguments,
            user: Some(self.user),
            namespace: None,
            limit: timeouts::DATABASE_COPY,
        };
        tool.run().await.map(|_| ())
    }

    async fn copy(&self, from: &Path, to: &Path) -> Result<(), DatabaseError> {
        let tool = Tool {
            processes: self.processes,
            owner: self.files.owner(),
            program: "cp".into(),
            // At no cost where the file system shares blocks.
            arguments: vec!["--archive".into(), "--reflink=auto".into(), from.into(), to.into()],
            user: None,
            namespace: None,
            limit: timeouts::DATABASE_COPY,
        };
        tool.run().await.map(|_| ())
    }

    /// Puts the data of a snapshot where an instance's data is being made.
    pub(super) async fn restore(&self, name: &str, major: u32) -> Result<(), DatabaseError> {
        let key = key(&self.files.region, name);
        let Some(snapshot) = find(self.lab, &key)? else {
            return Err(DatabaseError::NoSnapshot(name.to_owned()));
        };
        if snapshot.major_version != major {
            return Err(DatabaseError::DataVersion {
                identifier: self.files.identifier.clone(),
                found: snapshot.major_version.to_string(),
                wanted: major,
            });
        }
        let unfinished = self.files.unfinished();
        self.copy(&directory(self.lab, &key)?.join("data"), &unfinished).await?;
        // A copy of a replica is an instance of its own, and the slots were for somebody else's replicas.
        for file in ["standby.signal", "postmaster.pid"] {
            remove_file(&unfinished.join(file))?;
        }
        let slots = unfinished.join("pg_replslot");
        for entry in fs::read_dir(&slots).at("read", &slots)? {
            remove_directory(&entry.at("read", &slots)?.path())?;
        }
        Ok(())
    }
}

/// Major version of an instance's data.
pub(super) fn major_of(files: &Files) -> Result<u32, DatabaseError> {
    let path = files.data().join("PG_VERSION");
    let text = fs::read_to_string(&path).at("read", &path)?;
    let number = text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
    number.at("understand", &path)
}
