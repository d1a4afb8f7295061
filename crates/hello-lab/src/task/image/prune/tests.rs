use super::*;
use crate::registry::oci::Digest;

struct Images {
    directory: tempfile::TempDir,
    store: Store,
}

impl Images {
    fn new() -> Images {
        let directory = tempfile::tempdir().unwrap();
        Images { store: Store::new(directory.path().join("images")), directory }
    }

    /// As a pull leaves an image of one layer.
    fn put(&self, reference: &str) -> Content {
        let blob = Digest::of(format!("layer of {reference}").as_bytes());
        let content = Content {
            reference: reference.to_owned(),
            root: Digest::of(reference.as_bytes()),
            blobs: vec![blob],
        };
        self.add("roots", content.root.hex());
        self.add("blobs", content.blobs[0].hex());
        self.store.note(&content).unwrap();
        content
    }

    fn add(&self, kind: &str, name: &str) {
        let path = self.path(kind, name);
        fs::create_dir_all(path.join("bin")).unwrap();
        fs::write(path.join("bin/program"), "a program").unwrap();
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.directory.path().join("images").join(kind).join(name)
    }

    fn has(&self, content: &Content) -> [bool; 2] {
        [("roots", &content.root), ("blobs", &content.blobs[0])]
            .map(|(kind, digest)| self.path(kind, digest.hex()).join("bin/program").exists())
    }

    fn prune(&self, references: &[&str], in_use: &[Content]) -> Pruned {
        let references = references.iter().map(|reference| (*reference).to_owned()).collect();
        self.store.prune(&references, || Ok(Some(in_use.to_vec()))).unwrap()
    }
}

#[test]
fn what_no_definition_names_and_no_task_uses_goes() {
    let images = Images::new();
    let [named, used, neither] = ["named", "used", "neither"].map(|reference| images.put(reference));
    assert_eq!(images.prune(&["named"], std::slice::from_ref(&used)), Pruned::Removed(2));
    assert_eq!(
        [&named, &used, &neither].map(|content| images.has(content)),
        [[true; 2], [true; 2], [false; 2]]
    );
    assert_eq!(images.prune(&["named"], &[]), Pruned::Removed(2));
    assert_eq!([&named, &used].map(|content| images.has(content)), [[true; 2], [false; 2]]);
    assert_eq!(images.prune(&["named"], &[]), Pruned::Removed(0));
}

#[test]
fn a_tag_that_moved_keeps_its_newest_image_only() {
    let images = Images::new();
    let old = images.put("ghcr.io/o/n:1");
    let mut new = images.put("another");
    new.reference = "ghcr.io/o/n:1".to_owned();
    images.store.note(&new).unwrap();
    assert_eq!(images.prune(&["ghcr.io/o/n:1"], &[]), Pruned::Removed(2));
    assert_eq!([&old, &new].map(|content| images.has(content)), [[false; 2], [true; 2]]);
}

#[test]
fn nothing_goes_while_somebody_pulls_or_does_not_say_what_is_used() {
    let images = Images::new();
    let content = images.put("image");
    let pulling = images.store.lock_file().unwrap();
    pulling.lock_shared().unwrap();
    assert_eq!(images.prune(&[], &[]), Pruned::Busy);
    drop(pulling);
    assert_eq!(images.store.prune(&BTreeSet::new(), || Ok(None)).unwrap(), Pruned::Busy);
    images.store.prune(&BTreeSet::new(), || Err(io::Error::other("unreadable"))).unwrap_err();
    assert_eq!(images.has(&content), [true; 2]);
}

#[test]
fn what_a_killed_one_has_left_is_removed_and_never_taken_for_whole() {
    let images = Images::new();
    let content = images.put("image");
    // By a pull that was killed.
    images.add("roots", &format!("{}.new", Digest::of(b"unfinished").hex()));
    fs::write(images.path("roots", &format!("{}.lock", content.root.hex())), "").unwrap();
    // By a removal that was killed: moved, or half removed.
    images.add("trash", &format!("roots-{}", content.root.hex()));
    // By a loss of power.
    fs::write(images.path(REFERENCES, "empty.json"), "").unwrap();
    assert_eq!(images.prune(&["image"], &[]), Pruned::Removed(1));
    assert_eq!(images.has(&content), [true; 2]);
    assert_eq!(images.prune(&[], &[]), Pruned::Removed(2));
    let left = ["blobs", "roots", "references"].map(|kind| entries(&images.path(kind, "")).unwrap());
    assert!(left.iter().all(Vec::is_empty), "{left:?}");
    assert!(!images.path(TRASH, "").exists());
}
