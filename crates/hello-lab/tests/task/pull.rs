//! What is pulled, and what is not.

use crate::{
    image,
    world::{DEADLINE, World},
};
use hello_lab::{registry::oci::Digest, secret::Secret, task::model::Status};
use std::{
    fs,
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_image_is_pulled_by_digest_and_by_tag() {
    let world = World::new().await;
    for version in [format!("@{}", world.digest), ":1".to_owned()] {
        let mut task = world.task("ls /hidden /tmp; exit 3");
        task.containers[0].image = format!("ghcr.io/owner/shell{version}");
        let (stopped, lines) = world.output(&task).await;
        assert_eq!(
            (stopped.code.as_str(), stopped.exit_code),
            ("EssentialContainerExited", Some(3)),
            "{stopped:?}"
        );
        assert_eq!(stopped.reason, "Essential container in task exited");
        let report = world.tasks.report(&task.id).unwrap();
        assert_eq!(report.containers[0].image_digest, Some(world.digest.to_string()));
        assert!(
            lines.iter().any(|line| line.contains("/hidden") && line.contains("No such file")),
            "{lines:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_fail_even_where_all_layers_are_here() {
    let world = World::new().await;
    world.output(&world.task("exit 0")).await;
    let mut task = world.task("exit 0");
    task.containers[0].registry_credentials = Some(("puller".to_owned(), Secret::new("wrong-token-4711")));
    let (stopped, _) = world.output(&task).await;
    assert_eq!(stopped.code, "CannotPullContainerError");
    let start = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ghcr.io/owner/shell@";
    assert!(stopped.reason.starts_with(start) && stopped.reason.contains("401"), "{}", stopped.reason);
    assert!(!stopped.reason.contains("4711"));
    let mut task = world.task("exit 0");
    task.containers[0].registry_credentials = None;
    let (stopped, _) = world.output(&task).await;
    assert!(stopped.reason.contains("401"), "{}", stopped.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_registry_does_not_have_cannot_be_pulled() {
    let world = World::new().await;
    for version in [format!("@{}", Digest::of(b"unknown")), ":2".to_owned()] {
        let mut task = world.task("exit 0");
        task.containers[0].image = format!("ghcr.io/owner/shell{version}");
        let (stopped, _) = world.output(&task).await;
        assert_eq!(stopped.code, "CannotPullContainerError");
        assert!(
            stopped.reason.contains("404") && stopped.reason.contains("manifest unknown"),
            "{}",
            stopped.reason
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_found_through_the_tasks_resolver_and_nowhere_else() {
    let world = World::new().await;
    let mut task = world.task("exit 0");
    task.containers[0].image = "localhost.example/owner/shell:1".to_owned();
    let (stopped, _) = world.output(&task).await;
    let expected = "dial tcp: lookup localhost.example on 127.0.0.53:53: no such host";
    assert!(stopped.reason.contains(expected), "{}", stopped.reason);
    let mut task = world.task("exit 0");
    task.resolver = [127, 0, 0, 54].into();
    let (stopped, _) = world.output(&task).await;
    assert!(stopped.reason.contains("lookup ghcr.io on 127.0.0.54:53"), "{}", stopped.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_a_certificate_of_another_ca_is_not_trusted() {
    let world = World::new().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let mut other = rcgen::CertificateParams::new(Vec::new()).unwrap();
    other.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let mut task = world.task("exit 0");
    task.registry_ca = world.directory.path().join("other.pem");
    fs::write(&task.registry_ca, other.self_signed(&key).unwrap().pem()).unwrap();
    let (stopped, _) = world.output(&task).await;
    assert!(stopped.reason.contains("failed to verify certificate of ghcr.io"), "{}", stopped.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_was_changed_in_the_registry_is_refused() {
    let world = World::new().await;
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(image::layout().join("index.json")).unwrap()).unwrap();
    let manifest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(image::layout().join(manifest)).unwrap()).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let hex = layer.strip_prefix("sha256:").unwrap();
    let stored = world
        .lab
        .data("registry")
        .join("docker/registry/v2/blobs/sha256")
        .join(&hex[..2])
        .join(hex)
        .join("data");
    let mut content = fs::read(&stored).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&stored, content).unwrap();
    let (stopped, _) = world.output(&world.task("exit 0")).await;
    assert_eq!(stopped.code, "CannotPullContainerError");
    assert!(stopped.reason.contains(&format!("content of digest {layer} has digest")), "{}", stopped.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_keeps_running_and_takes_new_passwords() {
    let mut world = World::new().await;
    let first = world.registry.start(&world.lab).await.unwrap();
    world.registry.users = vec![("puller".to_owned(), Secret::new("another"))];
    let second = world.registry.start(&world.lab).await.unwrap();
    assert_eq!(first.pid(), second.pid());
    let (stopped, _) = world.output(&world.task("exit 0")).await;
    assert!(stopped.reason.contains("401"), "{}", stopped.reason);
    let mut task = world.task("exit 0");
    task.containers[0].registry_credentials = Some(("puller".to_owned(), Secret::new("another")));
    let (stopped, _) = world.output(&task).await;
    assert_eq!(stopped.exit_code, Some(0), "{stopped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_pull_the_same_image_at_once() {
    let world = World::new().await;
    let tasks: Vec<_> = (0..4).map(|_| world.task("exec sleep 600")).collect();
    for task in &tasks {
        world.start(task).await;
    }
    for task in &tasks {
        world.running(task).await;
    }
    assert_eq!(world.tasks.list().len(), 4);
    assert!(tasks.iter().all(|task| matches!(world.tasks.status(&task.id), Some(Status::Running { .. }))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_for_the_pull_of_another_hears_that_it_is_to_stop() {
    let world = World::new().await;
    // As another task's shim holds them while it pulls.
    let directory = world.lab.data("images").join("blobs");
    fs::create_dir_all(&directory).unwrap();
    let mut locks = Vec::new();
    for blob in fs::read_dir(image::layout().join("blobs/sha256")).unwrap() {
        let name = blob.unwrap().file_name().into_string().unwrap();
        let file = fs::File::create(directory.join(format!("{name}.lock"))).unwrap();
        file.lock().unwrap();
        locks.push(file);
    }
    let task = world.task("exit 0");
    world.start(&task).await;
    let shim = world.lab.processes().adopt(&format!("task-{}", task.id)).unwrap().unwrap();
    let began = Instant::now();
    while !has_open(shim.pid(), ".lock") {
        assert!(began.elapsed() < DEADLINE, "it does not wait: {:?}", world.tasks.report(&task.id));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.tasks.stop(&task.id, "UserInitiated", "Task stopped by user").await.unwrap();
    assert_eq!(world.stopped(&task).await.code, "UserInitiated");
}

/// Has a process a file open whose name ends so?
fn has_open(pid: i32, end: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut names = open.filter_map(|file| fs::read_link(file.path()).ok());
    names.any(|name| name.to_string_lossy().ends_with(end))
}
