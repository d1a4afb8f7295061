//! Files as all parts write and remove them.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Writes a file that a crash leaves either whole or as it was.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, content)?;
    File::open(&beside)?.sync_data()?;
    fs::rename(&beside, path)
}

/// The result of a removal, for which what is gone already is no error.
pub fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
