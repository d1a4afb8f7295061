//! Layers into a directory: tar archives with whiteouts (OCI image specification, layer.md).
//!
//! Every path is resolved by the kernel as if the directory were the root of the file system, so neither `..` nor a
//! symbolic link in one layer takes a file of another outside.

use crate::registry::oci::Digest;
use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
        chownat, fchmod, fchown, fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, openat, openat2,
        statat, symlinkat, unlinkat,
    },
    io::Errno,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufRead, Read},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Component, Path, PathBuf},
};
use tar::EntryType;

/// What an entry without content takes of the room, so that no archive makes files without end.
const ENTRY: u64 = 512;
/// How deep a path may go: removing a tree goes as deep into the stack.
const DEPTH: usize = 128;
/// A name with this prefix says that the rest of it is no more.
const WHITEOUT: &[u8] = b".wh.";
/// A directory with this in it shows nothing of the layers below.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The one extended attribute that counts for running: the capabilities of a program file.
const CAPABILITY: &str = "security.capability";

/// Unpacks a layer, compressed or not, over what is in the directory. Takes what it needs from `room`, in bytes. Gives
/// the digest of the archive before compression.
pub fn layer(mut archive: impl BufRead, directory: &Path, room: &mut u64) -> io::Result<Digest> {
    let start = archive.fill_buf()?;
    let plain: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(archive))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(archive)?)
    } else {
        Box::new(archive)
    };
    let mut hashing = Hashing { inner: plain, hasher: Sha256::new(), read: 0 };
    let root = openat(CWD, directory, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut layer = Layer { root, room, written: HashSet::new() };
    let mut tar = tar::Archive::new(&mut hashing);
    for entry in tar.entries()? {
        layer.apply(entry?)?;
    }
    // What follows the end of the archive counts for its digest; there is no reason for more than padding.
    let allowed = hashing.read + (1 << 20);
    let mut block = vec![0; 64 << 10];
    while hashing.read(&mut block)? > 0 {
        if hashing.read > allowed {
            return Err(invalid("something follows the end of the archive"));
        }
    }
    Ok(Digest::finish(hashing.hasher))
}

struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    read: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(block)?;
        self.hasher.update(&block[..read]);
        self.read += read as u64;
        Ok(read)
    }
}

struct Layer<'a> {
    root: OwnedFd,
    room: &'a mut u64,
    /// What this layer has written: its own whiteouts leave that alone, whatever comes first.
    written: HashSet<PathBuf>,
}

impl Layer<'_> {
    fn apply<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> io::Result<()> {
        self.take(ENTRY)?;
        let path = inside(&entry.path_bytes())?;
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            // The root itself: only its mode and owner can count.
            return self.finish_directory(&path, entry.header());
        };
        let parent_path = path.parent().unwrap_or(Path::new("")).to_owned();
        let parent = self.directory(&parent_path)?;
        if name.as_bytes() == OPAQUE {
            return self.hide_below(&parent, &parent_path);
        }
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            let hidden = OsStr::from_bytes(hidden);
            let path = parent_path.join(hidden);
            return if !self.written.contains(&path) {
                remove(&parent, hidden)
            } else if is_directory(&parent, hidden)? {
                // This layer puts a new directory in place of the hidden one.
                self.hide_below(&open_below(&parent, hidden)?, &path)
            } else {
                Ok(())
            };
        }
        self.written.extend(path.ancestors().map(Path::to_owned));
        let kind = entry.header().entry_type();
        if kind != EntryType::Directory {
            remove(&parent, &name)?;
        }
        match kind {
            EntryType::Directory => {
                if !is_directory(&parent, &name)? {
                    remove(&parent, &name)?;
                    mkdirat(&parent, &name, Mode::from_raw_mode(0o755))?;
                }
                self.finish_directory(&path, entry.header())
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| invalid("a link to nothing"))?;
                symlinkat(OsStr::from_bytes(&target), &parent, &name)?;
                let (owner, group) = owner(entry.header())?;
                Ok(chownat(&parent, &name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().ok_or_else(|| invalid("a link to nothing"))?;
                let target = inside(&target)?;
                let target_name = target.file_name().ok_or_else(|| invalid("a link to the root"))?;
                let from = self.open_directory(target.parent().unwrap_or(Path::new("")))?;
                Ok(linkat(&from, target_name, &parent, &name, AtFlags::empty())?)
            }
            EntryType::Fifo | EntryType::Char | EntryType::Block => {
                let header = entry.header();
                let (kind, device) = match kind {
                    EntryType::Fifo => (FileType::Fifo, 0),
                    EntryType::Char => (FileType::CharacterDevice, device(header)?),
                    _ => (FileType::BlockDevice, device(header)?),
                };
                let mode = Mode::from_raw_mode(header.mode()? & 0o7777);
                mknodat(&parent, &name, kind, mode, device)?;
                let (owner, group) = owner(header)?;
                Ok(chownat(&parent, &name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(&parent, &name, &mut entry)
            }
            other => Err(invalid(format!("{} is of the unknown kind {other:?}", path.display()))),
        }
    }

    fn file<R: Read>(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        entry: &mut tar::Entry<'_, R>,
    ) -> io::Result<()> {
        let size = entry.size();
        self.take(size)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
        if io::copy(&mut entry.take(size), &mut file)? != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let header = entry.header().clone();
        let (owner, group) = owner(&header)?;
        fchown(&file, Some(owner), Some(group))?;
        // After the owner: a change of owner takes the special bits away.
        fchmod(&file, Mode::from_raw_mode(header.mode()? & 0o7777))?;
        if let Some(extensions) = entry.pax_extensions()? {
            for extension in extensions {
                let extension = extension?;
                if extension.key_bytes() == format!("SCHILY.xattr.{CAPABILITY}").as_bytes() {
                    fsetxattr(&file, CAPABILITY, extension.value_bytes(), XattrFlags::empty())?;
                }
            }
        }
        let modified = Timespec { tv_sec: i64::try_from(header.mtime()?).unwrap_or(i64::MAX), tv_nsec: 0 };
        Ok(futimens(&file, &Timestamps { last_access: modified, last_modification: modified })?)
    }

    fn take(&mut self, bytes: u64) -> io::Result<()> {
        *self.room = self.room.checked_sub(bytes).ok_or_else(|| {
            io::Error::new(io::ErrorKind::StorageFull, "the image is larger than a task's storage")
        })?;
        Ok(())
    }

    fn finish_directory(&self, path: &Path, header: &tar::Header) -> io::Result<()> {
        let directory = self.open_directory(path)?;
        let (owner, group) = owner(header)?;
        fchown(&directory, Some(owner), Some(group))?;
        Ok(fchmod(&directory, Mode::from_raw_mode(header.mode()? & 0o7777))?)
    }

    fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(openat2(
            &self.root,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )?)
    }

    /// Opens a directory, and makes it and those above it where the layers have none.
    fn directory(&mut self, path: &Path) -> io::Result<OwnedFd> {
        match self.open_directory(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let mut above = PathBuf::new();
        for component in path.components() {
            let parent = self.open_directory(&above)?;
            above.push(component);
            match mkdirat(&parent, component.as_os_str(), Mode::from_raw_mode(0o755)) {
                Ok(()) => drop(self.written.insert(above.clone())),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.open_directory(path)
    }

    /// Removes from a directory what the layers below have put there.
    fn hide_below(&self, directory: &OwnedFd, path: &Path) -> io::Result<()> {
        for name in names(directory)? {
            let child = path.join(&name);
            if !self.written.contains(&child) {
                remove(directory, &name)?;
            } else if is_directory(directory, &name)? {
                self.hide_below(&open_below(directory, &name)?, &child)?;
            }
        }
        Ok(())
    }
}

fn owner(header: &tar::Header) -> io::Result<(Uid, Gid)> {
    let number = |number: u64| u32::try_from(number).map_err(|_| invalid("a user number is out of range"));
    Ok((Uid::from_raw(number(header.uid()?)?), Gid::from_raw(number(header.gid()?)?)))
}

fn device(header: &tar::Header) -> io::Result<u64> {
    Ok(makedev(header.device_major()?.unwrap_or_default(), header.device_minor()?.unwrap_or_default()))
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// A path of an archive as one below the root.
fn inside(path: &[u8]) -> io::Result<PathBuf> {
    let mut inside = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(path)).components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                let path = String::from_utf8_lossy(path);
                return Err(invalid(format!("{path} leads outside of the layer")));
            }
        }
    }
    if inside.components().count() > DEPTH {
        return Err(invalid("a path goes too deep"));
    }
    Ok(inside)
}

fn is_directory(parent: &OwnedFd, name: &OsStr) -> io::Result<bool> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn open_below(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

fn names(directory: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Removes a file or a tree; one that is not there is no error.
fn remove(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    if is_directory(parent, name)? {
        let directory = open_below(parent, name)?;
        for below in names(&directory)? {
            remove(&directory, &below)?;
        }
        return Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?);
    }
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
