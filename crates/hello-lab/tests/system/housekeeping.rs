//! What a lab keeps on the disk after a deployment, and what not.

use crate::support::{
    lab::{LONG, SOON, TestLab, image},
    wait_for,
};
use hello_lab::registry::oci::Digest;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[test]
fn after_a_deployment_the_image_of_before_goes_and_the_new_one_stays_whole() {
    let lab = TestLab::standing();
    let images = lab.directory().join("data").join(lab.name()).join("images");
    let before = names(&images.join("blobs"));
    let layout = lab.directory().join("another");
    let expected = another(&layout);
    assert_ne!(before, expected);
    lab.cli(&["up", "--image", layout.to_str().unwrap(), "--port", "0"]).ok();
    lab.settled(2, LONG);
    lab.step("another image is deployed");
    wait_for("the image of before is gone", SOON, || {
        let found = names(&images.join("blobs"));
        if found == expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
    });
    assert_eq!(names(&images.join("references")).len(), 1);
    assert_eq!(names(&images.join("roots")).len(), 1);
    lab.step("the image of before is gone");
    // Whatever a task starts with is here or pulled.
    let victim = &lab.parts().tasks[0].name;
    lab.cli(&["fault", "kill", &format!("task/{victim}")]).ok();
    wait_for("another task is there", LONG, || {
        let tasks = lab.parts().tasks;
        if tasks.iter().any(|task| task.name == *victim) { Err(format!("{tasks:?}")) } else { Ok(()) }
    });
    lab.settled(2, LONG);
    lab.plan_is_clean();
    lab.step("tasks of the new one start");
}

/// What is in a directory, but for locks.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| path.extension() != Some("lock".as_ref()));
    paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Makes an image that differs from the service's in its configuration. Gives the names of its blobs.
fn another(layout: &Path) -> BTreeSet<String> {
    let (from, to) = (image().join("blobs/sha256"), layout.join("blobs/sha256"));
    fs::create_dir_all(&to).unwrap();
    for blob in fs::read_dir(&from).unwrap().flatten() {
        fs::copy(blob.path(), to.join(blob.file_name())).unwrap();
    }
    let read = |path: PathBuf| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let hex = |descriptor: &Value| descriptor["digest"].as_str().unwrap().replace("sha256:", "");
    let store = |content: &[u8], descriptor: &mut Value| {
        let digest = Digest::of(content);
        fs::write(to.join(digest.hex()), content).unwrap();
        descriptor["digest"] = json!(digest);
        descriptor["size"] = json!(content.len());
    };
    let mut index = read(image().join("index.json"));
    let mut manifest = read(from.join(hex(&index["manifests"][0])));
    let mut configuration = read(from.join(hex(&manifest["config"])));
    configuration["created"] = json!("2001-01-01T00:00:00Z");
    store(configuration.to_string().as_bytes(), &mut manifest["config"]);
    store(manifest.to_string().as_bytes(), &mut index["manifests"][0]);
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().chain([&manifest["config"]]).map(hex).collect()
}
