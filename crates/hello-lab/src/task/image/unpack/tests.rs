//! These need root, as unpacking does: files keep their owners.

use super::*;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, symlink},
};

/// An archive being written.
struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    fn new() -> Archive {
        Archive(tar::Builder::new(Vec::new()))
    }

    fn entry(mut self, kind: EntryType, path: &str, content: &str) -> Archive {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o640);
        header.set_uid(1000);
        header.set_gid(1001);
        header.set_mtime(1_000_000);
        // The crate's own way to set a path refuses what these tests want to see refused.
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        match kind {
            EntryType::Regular => header.set_size(content.len() as u64),
            _ => header.set_size(0),
        }
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.as_ustar_mut().unwrap().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        let content = if kind == EntryType::Regular { content } else { "" };
        self.0.append(&header, content.as_bytes()).unwrap();
        self
    }

    fn file(self, path: &str, content: &str) -> Archive {
        self.entry(EntryType::Regular, path, content)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn unpack(directory: &Path, archive: Archive) -> io::Result<Digest> {
    layer(&archive.bytes()[..], directory, &mut (1 << 20))
}

fn read(directory: &Path, path: &str) -> String {
    fs::read_to_string(directory.join(path)).unwrap()
}

#[test]
fn files_keep_owner_mode_and_time() {
    let directory = tempfile::tempdir().unwrap();
    unpack(directory.path(), Archive::new().file("a/b/c", "content").entry(EntryType::Link, "d", "a/b/c"))
        .unwrap();
    let found = fs::metadata(directory.path().join("d")).unwrap();
    assert_eq!(
        (found.uid(), found.gid(), found.mode() & 0o7777, found.mtime()),
        (1000, 1001, 0o640, 1_000_000)
    );
    assert_eq!(read(directory.path(), "d"), "content");
}

#[test]
fn compressed_layers_have_the_digest_of_what_is_inside() {
    let plain = Archive::new().file("a", "content").bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for archive in [plain.clone(), gzip.finish().unwrap(), zstd] {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(layer(&archive[..], directory.path(), &mut (1 << 20)).unwrap(), Digest::of(&plain));
        assert_eq!(read(directory.path(), "a"), "content");
    }
}

#[test]
fn a_whiteout_hides_a_file_or_a_tree_of_a_lower_layer() {
    let directory = tempfile::tempdir().unwrap();
    unpack(directory.path(), Archive::new().file("keep", "").file("gone", "").file("tree/a/b", "")).unwrap();
    unpack(directory.path(), Archive::new().file(".wh.gone", "").file(".wh.tree", "").file(".wh.never", ""))
        .unwrap();
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["keep"]);
}

#[test]
fn an_opaque_directory_keeps_only_what_its_own_layer_puts_there_before_or_after() {
    let directory = tempfile::tempdir().unwrap();
    unpack(directory.path(), Archive::new().file("d/old", "1").file("d/sub/old", "1").file("d/both", "1"))
        .unwrap();
    let upper = Archive::new().file("d/sub/before", "2").file("d/both", "2").file("d/.wh..wh..opq", "");
    unpack(directory.path(), upper.file("d/after", "2")).unwrap();
    assert!(!directory.path().join("d/old").exists() && !directory.path().join("d/sub/old").exists());
    assert_eq!(read(directory.path(), "d/sub/before") + &read(directory.path(), "d/both"), "22");
    assert_eq!(read(directory.path(), "d/after"), "2");
}

#[test]
fn a_directory_that_is_hidden_and_made_again_is_new() {
    let directory = tempfile::tempdir().unwrap();
    unpack(directory.path(), Archive::new().file("d/old", "1").file("e/old", "1")).unwrap();
    let upper = Archive::new().file("d/new", "2").file(".wh.d", "").file(".wh.e", "").file("e/new", "2");
    unpack(directory.path(), upper).unwrap();
    assert!(!directory.path().join("d/old").exists() && !directory.path().join("e/old").exists());
    assert_eq!(read(directory.path(), "d/new") + &read(directory.path(), "e/new"), "22");
}

#[test]
fn a_path_upwards_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let error = unpack(directory.path(), Archive::new().file("a/../../b", "")).unwrap_err();
    assert_eq!(error.to_string(), "a/../../b leads outside of the layer");
    let error =
        unpack(directory.path(), Archive::new().entry(EntryType::Link, "a", "../../etc/passwd")).unwrap_err();
    assert!(error.to_string().contains("leads outside"), "{error}");
}

#[test]
fn a_symbolic_link_leads_to_the_root_of_the_layers_and_never_outside() {
    let outside = tempfile::tempdir().unwrap();
    let directory = tempfile::tempdir().unwrap();
    symlink(outside.path(), directory.path().join("absolute")).unwrap();
    symlink("../../../..", directory.path().join("up")).unwrap();
    let inner = outside.path().strip_prefix("/").unwrap();
    fs::create_dir_all(directory.path().join(inner)).unwrap();
    unpack(directory.path(), Archive::new().file("absolute/file", "x").file("up/file", "y")).unwrap();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(read(&directory.path().join(inner), "file") + &read(directory.path(), "file"), "xy");
}

#[test]
fn a_file_in_place_of_a_link_does_not_write_through_it() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("victim"), "safe").unwrap();
    let directory = tempfile::tempdir().unwrap();
    symlink(outside.path().join("victim"), directory.path().join("a")).unwrap();
    unpack(directory.path(), Archive::new().file("a", "new")).unwrap();
    assert_eq!(read(outside.path(), "victim"), "safe");
    assert_eq!(read(directory.path(), "a"), "new");
}

#[test]
fn a_directory_takes_the_place_of_a_file_and_a_file_that_of_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    unpack(directory.path(), Archive::new().file("a", "").file("b/c", "")).unwrap();
    unpack(directory.path(), Archive::new().entry(EntryType::Directory, "a", "").file("b", "file")).unwrap();
    assert!(directory.path().join("a").is_dir());
    assert_eq!(read(directory.path(), "b"), "file");
}

#[test]
fn more_than_there_is_room_for_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::new().file("a", &"x".repeat(3000)).bytes();
    let error = layer(&archive[..], directory.path(), &mut 2000).unwrap_err();
    assert_eq!(error.to_string(), "the image is larger than a task's storage");
    let mut bomb = Archive::new();
    for number in 0..10 {
        bomb = bomb.file(&format!("{number}"), "");
    }
    assert!(layer(&bomb.bytes()[..], directory.path(), &mut 2000).is_err());
}

#[test]
fn an_archive_that_breaks_off_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::new().file("a", &"x".repeat(3000)).bytes();
    assert!(layer(&archive[..2000], directory.path(), &mut (1 << 20)).is_err());
}
