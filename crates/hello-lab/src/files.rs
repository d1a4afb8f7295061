//! Files as all parts write and remove them.

use crate::process::User;
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown},
    path::Path,
};

/// How a file is written: what others may do with it, whose it is, and whether it must outlive the machine's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    mode: u32,
    owner: Option<User>,
    durable: bool,
}

/// Root's alone, and on the disk under its name before anybody goes on.
pub const DURABLE: Manner = Manner { mode: 0o600, owner: None, durable: true };

/// Root's alone. It counts for nothing after a reboot, so nothing waits for the disk.
pub const PASSING: Manner = Manner { mode: 0o600, owner: None, durable: false };

impl Manner {
    /// With this mode, whatever the umask is.
    #[must_use]
    pub const fn with_mode(self, mode: u32) -> Manner {
        Manner { mode, ..self }
    }

    /// Owned by this user; by root where `None`.
    #[must_use]
    pub const fn owned_by(self, owner: Option<User>) -> Manner {
        Manner { owner, ..self }
    }
}

/// Writes a file that others see, and a crash leaves, either whole or as it was. It is never open to more than its mode
/// allows.
pub fn write_whole(path: &Path, content: &[u8], manner: Manner) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    // Left over by a crash, perhaps with another mode.
    gone(fs::remove_file(beside))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    file.write_all(content)?;
    if let Some(User { uid, gid }) = manner.owner {
        chown(beside, Some(uid), Some(gid))?;
    }
    file.set_permissions(Permissions::from_mode(manner.mode))?;
    if manner.durable {
        file.sync_all()?;
    }
    fs::rename(beside, path)?;
    if manner.durable { sync_directory_of(path) } else { Ok(()) }
}

/// Waits until the name of a file or directory, and not its content alone, is on the disk (`fsync(2)`).
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// The result of a removal, for which what is gone already is no error.
pub fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_file_is_replaced_with_mode_and_owner_whatever_was_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(directory.path().join("file.new"), "left over by a crash, and longer").unwrap();
        let nobody = User::named("nobody").unwrap();
        for manner in [DURABLE, PASSING] {
            write_whole(&path, b"secret", manner).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
            write_whole(&path, b"open", manner.with_mode(0o644).owned_by(Some(nobody))).unwrap();
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(
                (metadata.mode() & 0o7777, metadata.uid(), metadata.gid()),
                (0o644, nobody.uid, nobody.gid)
            );
            assert_eq!(fs::read(&path).unwrap(), b"open");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
