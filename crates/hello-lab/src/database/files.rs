//! Where the files of an instance are, and the durable part of what is known of it.
//!
//! ```text
//! DATA/databases/replication.password       of the lab's replication user
//! DATA/databases/REGION/NAME/state.json     what was done so far
//!                           storage.ext4    the bounded file system, where the machine has loop devices
//!                           volume/         where that is mounted
//!                           volume/data/    PGDATA
//!                           log/            postgresql.log.DATE-HOUR; startup.log before the server writes its own
//! DATA/snapshots/REGION/NAME/               a copy of PGDATA, and snapshot.json
//! DATA/postgresql/MAJOR/                    the installation as RDS offers it (see `installation`)
//! RUN/databases/REGION/NAME/                postgresql.conf, pg_hba.conf, pg_ident.conf, certificate, key, CA, passfile
//!                           socket           a link to the directory of the Unix socket
//! RUN/sockets/DIGITS/                       the Unix socket, whose path must be short
//! ```
//!
//! Nothing that configures the server lies in PGDATA: a base backup and `pg_rewind` copy what is inside.

use super::error::{DatabaseError, Doing as _};
use crate::{
    files::{DURABLE, write_whole},
    lab::Lab,
    process::User,
};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::Ipv4Addr,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

/// The longest path of a Unix socket, less the room for the socket's own name.
const MAX_SOCKET_DIRECTORY: usize = 107 - "/.s.PGSQL.65535".len();

/// What a server says before it writes its own log, beside that.
pub const STARTUP_LOG: &str = "startup.log";

/// Removes a file; one that is gone already is no error.
pub(super) fn remove_file(path: &Path) -> Result<(), DatabaseError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}

/// Writes a file that is whole or as it was, and never open to more than `mode` allows. It belongs to the user, or root.
pub(super) fn write_file(
    path: &Path,
    content: &[u8],
    mode: u32,
    owner: Option<ServerUser>,
) -> Result<(), DatabaseError> {
    let manner = DURABLE.with_mode(mode).owned_by(owner.map(|user| user.ids));
    write_whole(path, content, manner).at("write", path)
}

/// Is it a name of an instance or a snapshot? It becomes a file name and part of the name of a process.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.Constraints>
pub(super) fn checked_name(name: &str) -> Result<&str, DatabaseError> {
    let valid = name.len() <= 255
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        && !name.ends_with('-')
        && !name.contains("--");
    if valid { Ok(name) } else { Err(DatabaseError::Name { name: name.to_owned() }) }
}

/// The longest identifier of an instance: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
const MAX_IDENTIFIER: usize = 63;

/// The key of an instance, or of a snapshot: names are unique in a region.
pub fn key(region: &str, name: &str) -> String {
    format!("{region}/{name}")
}

/// Region and name of a key. Both become names of files.
pub(super) fn checked_key(key: &str) -> Result<(&str, &str), DatabaseError> {
    match key.split_once('/') {
        Some((region, name)) => Ok((checked_name(region)?, checked_name(name)?)),
        None => Err(DatabaseError::Name { name: key.to_owned() }),
    }
}

/// The paths of an instance.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// See [`key`].
    pub(super) key: String,
    pub(super) region: String,
    pub(super) identifier: String,
    socket: PathBuf,
    pub(super) root: PathBuf,
    pub(super) run: PathBuf,
}

impl Files {
    pub(super) fn of(lab: &Lab, key: &str) -> Result<Files, DatabaseError> {
        let (region, identifier) = checked_key(key)?;
        if identifier.len() > MAX_IDENTIFIER {
            return Err(DatabaseError::Name { name: identifier.to_owned() });
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
        let digits: String = digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Ok(Files {
            root: lab.data("databases").join(key),
            run: lab.run("databases").join(key),
            socket: lab.run("sockets").join(digits),
            key: key.to_owned(),
            region: region.to_owned(),
            identifier: identifier.to_owned(),
        })
    }

    pub(super) fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    pub(super) fn image(&self) -> PathBuf {
        self.root.join(super::storage::IMAGE)
    }

    pub(super) fn volume(&self) -> PathBuf {
        self.root.join("volume")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.volume().join("data")
    }

    /// PGDATA while it is being made. Renamed once it is whole.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.volume().join("data.unfinished")
    }

    /// What a fault fills the storage with.
    pub(super) fn ballast(&self) -> PathBuf {
        self.volume().join("ballast")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(super) fn startup_log(&self) -> PathBuf {
        self.log().join(STARTUP_LOG)
    }

    /// The directory of the Unix socket. Of its path 107 bytes count, so it lies elsewhere than all else.
    pub(super) fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// Where users find it.
    fn socket_link(&self) -> PathBuf {
        self.run.join("socket")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.run.join("postgresql.conf")
    }

    pub(super) fn passfile(&self) -> PathBuf {
        self.run.join("replication.pass")
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.run.join("ca.crt")
    }

    /// Name of the server's process.
    pub(super) fn process(&self) -> String {
        format!("database.{}.{}", self.region, self.identifier)
    }

    /// Removes the directories of the region where this was the last instance in it.
    pub(super) fn forget_region(&self) {
        for directory in [&self.root, &self.run] {
            let _ = directory.parent().map(fs::remove_dir);
        }
    }

    pub(super) fn read_state(&self) -> Result<Option<State>, DatabaseError> {
        match fs::read(self.state()) {
            Ok(bytes) => {
                let state = serde_json::from_slice(&bytes).map_err(io::Error::from);
                state.map(Some).at("understand", &self.state())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("read", &self.state()),
        }
    }

    pub(super) fn write_state(&self, state: &State) -> Result<(), DatabaseError> {
        let bytes = serde_json::to_vec_pretty(state).map_err(io::Error::from);
        // Root's alone: it has the fingerprint of a password.
        write_file(&self.state(), &bytes.at("write", &self.state())?, 0o600, None)
    }

    /// Makes the directories that are not there; those of the server belong to its user.
    pub(super) fn make_directories(&self, user: ServerUser) -> Result<(), DatabaseError> {
        let socket = self.socket().as_os_str().len();
        if socket > MAX_SOCKET_DIRECTORY {
            return Err(DatabaseError::SocketPath { directory: self.socket().display().to_string() });
        }
        for directory in [&self.root, &self.run] {
            make_directory(directory, 0o755, None)?;
        }
        make_directory(&self.log(), 0o755, Some(user))?;
        make_directory(&self.socket(), 0o755, Some(user))?;
        match symlink(self.socket(), self.socket_link()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).at("make", &self.socket_link());
            }
            _ => {}
        }
        for directory in [&self.root, &self.run, &self.socket] {
            user.may_enter(directory)?;
        }
        Ok(())
    }
}

/// The keys of the instances that have a directory.
pub(super) fn keys(lab: &Lab) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for kind in [lab.data("databases"), lab.run("databases")] {
        for region in directories(&kind) {
            keys.extend(directories(&kind.join(&region)).into_iter().map(|name| key(&region, &name)));
        }
    }
    keys
}

/// The names of the directories in a directory; none where it is not there.
pub(super) fn directories(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Makes a directory with this mode, and gives it to the user.
pub(super) fn make_directory(path: &Path, mode: u32, owner: Option<ServerUser>) -> Result<(), DatabaseError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).at("make", path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).at("set the mode of", path)?;
    owner.map_or(Ok(()), |user| user.own(path))
}

/// Removes a directory and all below; one that is gone already is no error.
pub(super) fn remove_directory(path: &Path) -> Result<(), DatabaseError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}

/// Who PostgreSQL runs as: it refuses root.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerUser {
    pub(super) name: &'static str,
    pub(super) ids: User,
}

impl ServerUser {
    /// `postgres`, which Debian's packages make, or `nobody`.
    pub(super) fn find() -> Result<ServerUser, DatabaseError> {
        let found = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some(ServerUser { name, ids: User::named(name).ok()? }));
        found.ok_or_else(|| DatabaseError::Io {
            what: "run PostgreSQL".to_owned(),
            source: io::Error::new(
                io::ErrorKind::NotFound,
                "there is neither a user postgres nor a user nobody",
            ),
        })
    }

    /// Gives a file or directory to this user.
    pub(super) fn own(self, path: &Path) -> Result<(), DatabaseError> {
        chown(path, Some(self.ids.uid), Some(self.ids.gid)).at("change the owner of", path)
    }

    /// Refuses a directory that this user cannot enter, by name.
    pub(super) fn may_enter(self, directory: &Path) -> Result<(), DatabaseError> {
        for ancestor in directory.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            let found = fs::metadata(ancestor).at("look at", ancestor)?;
            let mode = Mode::from_bits_truncate(found.mode());
            let enters = mode.contains(Mode::S_IXOTH)
                || (found.uid() == self.ids.uid && mode.contains(Mode::S_IXUSR))
                || (found.gid() == self.ids.gid && mode.contains(Mode::S_IXGRP));
            if !enters {
                return Err(DatabaseError::Closed {
                    user: self.name.to_owned(),
                    directory: ancestor.display().to_string(),
                });
            }
        }
        Ok(())
    }
}

/// What bounds the storage of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// A file system of its own, of that many bytes.
    Bounded(u64),
    /// A directory of the machine's file system: why it has no bound.
    Unbounded(String),
}

/// This boot of the machine.
pub(super) fn boot() -> Result<String, DatabaseError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    Ok(fs::read_to_string(path).at("read", path)?.trim().to_owned())
}

/// What is known of an instance and must outlive the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, noted at a moment of its own")]
pub(super) struct State {
    /// Namespace, address and port that the server was last started with.
    pub(super) endpoint: Option<Endpoint>,
    /// Made at creation.
    pub(super) storage: Option<Storage>,
    /// It was promoted: a model that still calls it a replica does not count.
    #[serde(default)]
    pub(super) promoted: bool,
    /// It was stopped on demand.
    #[serde(default)]
    pub(super) stopped: bool,
    /// A reboot was asked for and has not happened yet.
    #[serde(default)]
    pub(super) rebooting: bool,
    /// Its files, made without waiting for the disk, have been written out.
    #[serde(default)]
    pub(super) synced: bool,
    /// The machine's boot in which its files were made: until they are written out, they do not outlive it.
    #[serde(default)]
    pub(super) made_in_boot: String,
    /// Roles and database were made, or came with a copy.
    #[serde(default)]
    pub(super) prepared: bool,
    /// Of the master password that was last set.
    #[serde(default)]
    pub(super) password: Option<super::password::Fingerprint>,
    /// Configuration was written and the server may not have read it.
    #[serde(default)]
    pub(super) reload_pending: bool,
    /// The group's parameters that are in effect.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, String>,
    /// Keys of sources on which a replication slot of ours may stand.
    #[serde(default)]
    pub(super) slots: BTreeSet<String>,
    /// The final snapshot of a deletion that has begun.
    #[serde(default)]
    pub(super) final_snapshot: Option<String>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Endpoint {
    pub(super) namespace: String,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_rds_and_never_leave_their_directory() {
        for name in ["hello", "hello-you-eu-west-1-replica", "A1"] {
            assert_eq!(checked_name(name).unwrap(), name);
        }
        for name in ["", "1a", "-a", "a-", "a--b", "a/b", "..", "a.b", "a_b", "a b", &"a".repeat(256)] {
            checked_name(name).unwrap_err();
        }
    }
}
