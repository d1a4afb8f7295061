//! Storage that has an end: a file system of its own for each instance.
//!
//! It is an ext4 image, mounted through a loop device and as sparse as its content. So a full disk is a real one:
//! PostgreSQL gets ENOSPC from the kernel, and the machine's own disk is not touched. Where there is no loop device, in
//! some containers, the data lies in a plain directory, which has no bound; the reason is kept and shown.

use super::{
    error::{DatabaseError, Doing as _},
    files::{Files, ServerUser, Storage, make_directory, remove_file},
    tool::Tool,
};
use crate::{
    mounts::{self, Mount},
    process::Processes,
    timeouts,
};
use nix::{
    fcntl::{FallocateFlags, fallocate},
    mount::{MntFlags, umount2},
    sys::statvfs::statvfs,
    unistd::syncfs,
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

/// What RDS allocates at least for PostgreSQL on gp3, where the model says nothing.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>
const DEFAULT_BYTES: u64 = 20 << 30;

/// Name of the file that holds the file system of an instance.
pub(super) const IMAGE: &str = "storage.ext4";

/// Less room than one WAL segment: the server cannot go on writing.
const FULL_BELOW_BYTES: u64 = 16 << 20;

/// The volume of an instance.
pub(super) struct Volume<'a> {
    pub(super) processes: &'a Processes,
    pub(super) files: &'a Files,
    pub(super) user: ServerUser,
}

impl Volume<'_> {
    async fn tool(&self, program: &str, arguments: Vec<OsString>) -> Result<String, DatabaseError> {
        let tool = Tool {
            processes: self.processes,
            owner: self.files.owner(),
            program: program.into(),
            arguments,
            user: None,
            namespace: None,
            limit: timeouts::DATABASE_TOOL,
        };
        tool.run().await
    }

    /// Makes the storage of a new instance.
    pub(super) async fn make(&self, bytes: u64) -> Result<Storage, DatabaseError> {
        let bytes = if bytes == 0 { DEFAULT_BYTES } else { bytes };
        match self.make_image(bytes).await {
            Ok(()) => Ok(Storage::Bounded(bytes)),
            Err(DatabaseError::Program { program, output, .. }) => {
                let image = self.files.image();
                remove_file(&image)?;
                make_directory(&self.files.volume(), 0o700, Some(self.user))?;
                Ok(Storage::Unbounded(format!("{program}: {output}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn make_image(&self, bytes: u64) -> Result<(), DatabaseError> {
        let image = self.files.image();
        if !image.exists() {
            let aside = image.with_extension("new");
            let file = File::create(&aside).at("make", &aside)?;
            file.set_len(bytes).at("set the size of", &aside)?;
            // No room kept for root, tables and journal written when they are needed, and a journal that stays small.
            let options = ["-q", "-F", "-m", "0", "-J", "size=8", "-E"];
            let lazy = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
            let mut arguments: Vec<_> = options.into_iter().chain([lazy]).map(OsString::from).collect();
            arguments.push(aside.clone().into());
            self.tool("mkfs.ext4", arguments).await?;
            fs::rename(&aside, &image).at("make", &image)?;
        }
        self.mount().await
    }

    /// Is there something to put data in?
    pub(super) fn is_ready(&self, storage: &Storage) -> bool {
        match storage {
            Storage::Bounded(_) => self.is_mounted() && self.is_given_away() && !self.is_read_only(),
            Storage::Unbounded(_) => self.files.volume().is_dir(),
        }
    }

    /// Does it belong to the server's user? A daemon may be killed after it has mounted it and before it gives it away.
    fn is_given_away(&self) -> bool {
        fs::metadata(self.files.volume()).is_ok_and(|found| found.uid() == self.user.ids.uid)
    }

    fn is_mounted(&self) -> bool {
        let device = |path| fs::metadata(path).map(|found| found.dev());
        match (device(self.files.volume()), device(self.files.root.clone())) {
            (Ok(volume), Ok(root)) => volume != root,
            _ => false,
        }
    }

    /// Has the kernel given up writing to it? It does so after an error of what it lies on, such as a disk without room.
    fn is_read_only(&self) -> bool {
        self.mounted().is_ok_and(|mount| mount.is_some_and(|mount| mount.read_only))
    }

    /// How it is mounted, on top.
    fn mounted(&self) -> Result<Option<Mount>, DatabaseError> {
        let volume = canonical(self.files.volume());
        let mounts = mounts::own().doing(|| "list what is mounted".to_owned())?;
        Ok(mounts.into_iter().rfind(|mount| mount.path == volume))
    }

    /// Mounts the file system of an instance that has one. One that the kernel does not write to any more is checked first.
    pub(super) async fn mount(&self) -> Result<(), DatabaseError> {
        let volume = self.files.volume();
        make_directory(&volume, 0o700, None)?;
        if self.is_mounted() && self.is_read_only() {
            self.unmount()?;
            if !self.is_released().await {
                return Err(self.in_use("checked"));
            }
            self.check().await?;
        }
        if !self.is_mounted() {
            // The loop device goes with the mount.
            let arguments = ["-t", "ext4", "-o", "loop,noatime,nosuid,nodev"];
            let mut arguments: Vec<_> = arguments.into_iter().map(OsString::from).collect();
            arguments.extend([self.files.image().into(), volume.clone().into()]);
            self.tool("mount", arguments).await?;
        }
        self.user.own(&volume)
    }

    /// Gives it more room while it is in use. The kernel wants `CAP_SYS_RESOURCE` for that, which some containers lack.
    pub(super) async fn grow(&self, bytes: u64) -> Result<(), DatabaseError> {
        self.enlarge_image(bytes)?;
        let device = self.device()?;
        self.tool("losetup", vec!["-c".into(), device.clone().into()]).await?;
        self.tool("resize2fs", vec![device.into()]).await.map(|_| ())
    }

    /// Gives it more room while nobody uses it.
    pub(super) async fn grow_unused(&self, bytes: u64) -> Result<(), DatabaseError> {
        self.unmount()?;
        if !self.is_released().await {
            // As it was, so that the server can be started again.
            self.mount().await?;
            return Err(self.in_use("enlarged"));
        }
        self.enlarge_image(bytes)?;
        // resize2fs insists on it.
        self.check().await?;
        self.tool("resize2fs", vec![self.files.image().into()]).await?;
        self.mount().await
    }

    async fn check(&self) -> Result<(), DatabaseError> {
        // One that has found nothing wrong and one that has put it right end differently.
        match self.tool("e2fsck", vec!["-f".into(), "-p".into(), self.files.image().into()]).await {
            Ok(_) | Err(DatabaseError::Program { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn enlarge_image(&self, bytes: u64) -> Result<(), DatabaseError> {
        let image = self.files.image();
        let file = File::options().write(true).open(&image).at("open", &image)?;
        file.set_len(bytes).at("set the size of", &image)
    }

    fn device(&self) -> Result<String, DatabaseError> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "it is not mounted");
        let mount = self.mounted()?.ok_or_else(missing).at("find the device of", &self.files.volume())?;
        Ok(mount.source)
    }

    /// Refuses where the file system would go on living after it was unmounted here: its image must not be touched then.
    pub(super) fn check_alone(&self) -> Result<(), DatabaseError> {
        let holders = mounts::holders(&canonical(self.files.volume()));
        let Some(pid) = holders.first() else { return Ok(()) };
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let reason = format!(
            "this kernel does not enlarge a file system that is in use, and process {pid} ({}) has it in a mount \
             namespace of its own; end that process",
            name.trim()
        );
        Err(DatabaseError::State { identifier: self.files.identifier.clone(), what: "enlarged", reason })
    }

    /// Waits until nothing has the image any more, and says whether that came: its loop device goes with the last mount.
    async fn is_released(&self) -> bool {
        let image = canonical(self.files.image());
        let deadline = Instant::now() + timeouts::KILLED;
        while loop_devices().iter().any(|(_, backing)| *backing == image) {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(timeouts::DATABASE_PAUSE).await;
        }
        true
    }

    fn in_use(&self, what: &'static str) -> DatabaseError {
        let reason = "its file system is still in use after it was unmounted".to_owned();
        DatabaseError::State { identifier: self.files.identifier.clone(), what, reason }
    }

    /// Takes it down. The data is not removed.
    pub(super) fn unmount(&self) -> Result<(), DatabaseError> {
        let volume = self.files.volume();
        // More than one mount can lie over another after a crash.
        while self.is_mounted() {
            umount2(&volume, MntFlags::empty())
                .or_else(|_| umount2(&volume, MntFlags::MNT_DETACH))
                .at("unmount", &volume)?;
        }
        Ok(())
    }

    /// Is there no room for the next WAL segment?
    pub(super) fn is_full(&self) -> bool {
        statvfs(&self.files.volume())
            .is_ok_and(|found| found.blocks_available() * found.fragment_size() < FULL_BELOW_BYTES)
    }

    /// Writes out everything that was written, and waits for the disk.
    pub(super) async fn sync(&self) -> Result<(), DatabaseError> {
        sync_file_system(self.files.data()).await
    }

    /// Takes all room that is left, as another tenant of a disk would: a fault.
    pub(super) async fn fill(&self) -> Result<(), DatabaseError> {
        let ballast = self.files.ballast();
        let filled = tokio::task::spawn_blocking(move || take_all_room(&ballast));
        filled
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)).doing(|| "fill the storage".to_owned()))
    }

    /// Gives that room back.
    pub(super) fn empty(&self) -> Result<(), DatabaseError> {
        remove_file(&self.files.ballast())
    }
}

/// The path as the kernel lists it.
fn canonical(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).unwrap_or(path)
}

/// Loop devices of this machine, and the files behind them.
fn loop_devices() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let devices = entries.filter_map(|entry| {
        let backing = fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
        // So the kernel marks one that was removed.
        let backing = backing.trim_end_matches('\n').trim_end_matches(" (deleted)");
        Some((format!("/dev/{}", entry.file_name().to_string_lossy()), PathBuf::from(backing)))
    });
    devices.collect()
}

/// Takes the storage of all databases, of whatever lab, out of the calling process's own mount namespace, which must not
/// be the machine's: else it would keep file systems alive that their labs have unmounted.
pub fn leave_volumes() -> io::Result<()> {
    let devices = loop_devices();
    let is_volume = |source: &str| {
        let mut images = devices.iter().filter(|(_, backing)| backing.ends_with(IMAGE));
        images.any(|(device, _)| device == source)
    };
    for mount in mounts::own()?.iter().filter(|mount| is_volume(&mount.source)) {
        umount2(&mount.path, MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// Makes a file of all blocks that are left. They are reserved and not written, so an image below stays sparse.
fn take_all_room(ballast: &Path) -> Result<(), DatabaseError> {
    let file = File::options().create(true).append(true).open(ballast).at("make", ballast)?;
    // Halving finds the last free block without asking how much of the room is for what.
    let mut step: i64 = 1 << 40;
    while step >= 4096 {
        let end = i64::try_from(file.metadata().at("look at", ballast)?.len()).unwrap_or(i64::MAX - step);
        match fallocate(&file, FallocateFlags::empty(), end, step) {
            Ok(()) => {}
            Err(nix::errno::Errno::ENOSPC | nix::errno::Errno::EFBIG) => step /= 2,
            Err(error) => return Err(error).at("fill the storage with", ballast),
        }
    }
    Ok(())
}

/// Writes out the file system on which this is. One wait, where there would be one for each of a thousand files.
pub(super) async fn sync_file_system(path: PathBuf) -> Result<(), DatabaseError> {
    let synced = tokio::task::spawn_blocking(move || {
        let file = File::open(&path).at("open", &path)?;
        syncfs(&file).at("write out", &path)
    });
    synced.await.unwrap_or_else(|error| Err(io::Error::other(error)).doing(|| "write out files".to_owned()))
}
