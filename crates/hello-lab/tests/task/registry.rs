//! The registry, when what it stands on changes.

use crate::{
    image,
    world::{PASSWORD, World, make},
};
use hello_lab::{
    process::{Described, Running},
    registry::oci::Digest,
    secret::Secret,
};
use nix::sys::signal::Signal;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

const DAY: Duration = Duration::from_secs(86_400);

async fn started(world: &World) -> Running {
    world.registry.start(&world.lab).await.unwrap()
}

#[tokio::test]
async fn a_registry_whose_namespace_was_deleted_moves_to_the_new_one() {
    let world = World::new().await;
    let first = started(&world).await.pid();
    world.namespace.delete().unwrap();
    make(&world.namespace);
    // It answers there, or this is an error.
    assert_ne!(started(&world).await.pid(), first);
}

#[tokio::test]
async fn a_registry_that_does_not_answer_makes_room_for_another() {
    let world = World::new().await;
    let first = started(&world).await;
    first.signal(Signal::SIGSTOP).unwrap();
    let error = world.registry.start(&world.lab).await.unwrap_err().to_string();
    assert!(error.contains("the registry does not answer"), "{error}");
    assert_ne!(started(&world).await.pid(), first.pid());
}

async fn push(world: &World, layout: &Path) -> Digest {
    let credentials = ("puller".to_owned(), Secret::new(PASSWORD));
    world.registry.push(&world.namespace, layout, "owner/shell", credentials).await.unwrap()
}

/// The blobs that the registry has.
fn blobs(world: &World) -> usize {
    let blobs = world.lab.data("registry").join("docker/registry/v2/blobs/sha256");
    let found = Command::new("find").arg(blobs).args(["-name", "data"]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().count()
}

fn layers(world: &World) -> PathBuf {
    world.lab.data("registry").join("docker/registry/v2/repositories/owner/shell/_layers/sha256")
}

async fn runs(world: &World, digest: &Digest) {
    let mut task = world.task("cat /number; exit 3");
    task.containers[0].image = format!("ghcr.io/owner/shell@{digest}");
    let (stopped, lines) = world.output(&task).await;
    assert_eq!(stopped.exit_code, Some(3), "{stopped:?} {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_images_those_stay_that_a_tag_or_a_definition_names_or_that_are_young() {
    let world = World::new().await;
    let mut pushed = vec![world.digest.clone()];
    let layouts: Vec<_> = (0..20).map(image::another).collect();
    for layout in &layouts {
        pushed.push(push(&world, layout.path()).await);
    }
    // Two layers are everybody's.
    assert_eq!(blobs(&world), 2 + 2 + 20 * 3);
    let wanted = [format!("ghcr.io/owner/shell@{}", pushed[7])].into();
    let prune = async |now| world.registry.prune(&world.lab, &wanted, now).await.unwrap();
    let first = started(&world).await;
    assert_eq!(prune(SystemTime::now()).await, 0);
    assert!(first.is_alive(), "nothing was to be removed, and the registry was stopped");
    assert_eq!(prune(SystemTime::now() + DAY).await, 19);
    assert_eq!((blobs(&world), fs::read_dir(layers(&world)).unwrap().count()), (2 + 2 * 3, 2 + 2 * 2));
    started(&world).await;
    for digest in [&pushed[7], &pushed[20]] {
        runs(&world, digest).await;
    }
    // One that was removed is pushed again, whole.
    assert_eq!(push(&world, layouts[2].path()).await, pushed[3]);
    runs(&world, &pushed[3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_killed_runs_beside_no_registry_and_is_finished_by_the_next() {
    let world = World::new().await;
    push(&world, image::another(1).path()).await;
    let old = world.lab.data("registry").join("docker/registry/v2/repositories/owner/shell/_manifests");
    // As a daemon leaves it that is killed when it has forgotten the manifest.
    fs::remove_dir_all(old.join("revisions/sha256").join(world.digest.hex())).unwrap();
    fs::write(world.lab.data("registry").join("prune-begun"), "").unwrap();
    let processes = world.lab.processes();
    let left = processes.start(&Described {
        name: "registry-prune".to_owned(),
        program: "sleep".into(),
        arguments: vec!["600".into()],
        environment: Vec::new(),
        namespace: None,
        user: None,
        directory: "/".into(),
        log: "/dev/null".into(),
    });
    let left = left.unwrap();
    started(&world).await;
    assert!(!left.is_alive());
    assert_eq!(blobs(&world), 4 + 3);
    let nothing = BTreeSet::new();
    assert_eq!(world.registry.prune(&world.lab, &nothing, SystemTime::now()).await.unwrap(), 0);
    assert_eq!(blobs(&world), 2 + 3, "the configuration and the manifest of the old one are gone");
    let first = started(&world).await;
    world.registry.prune(&world.lab, &nothing, SystemTime::now()).await.unwrap();
    assert!(first.is_alive(), "it is finished");
}
