//! Images that nothing needs any more go, and no others.

use crate::world::{World, tasks};
use hello_lab::task::image::prune::Pruned;
use std::{collections::BTreeSet, fs, path::PathBuf};

/// The image's configuration, its two layers, and these on top of each other.
const CONTENTS: usize = 4;

async fn prune(world: &World, references: &[&str]) -> Pruned {
    let references: BTreeSet<_> = references.iter().map(|reference| (*reference).to_owned()).collect();
    world.tasks.prune_images(references).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_stays_as_long_as_a_container_runs_on_it() {
    let world = World::new().await;
    let task = world.task(
        "trap 'cat /bin/cat > /dev/null && echo whole; exit' TERM; echo ready; while :; do sleep 0.01; done",
    );
    world.start(&task).await;
    world.line(&task, "ready").await;
    assert_eq!(prune(&world, &[]).await, Pruned::Removed(0));
    world.tasks.stop(&task.id, "UserInitiated", "Task stopped by user").await.unwrap();
    world.gone(&task).await;
    assert_eq!(world.lines("task/web/"), ["ready", "whole"]);
    // A definition that names it keeps it too.
    assert_eq!(prune(&world, &[&task.containers[0].image]).await, Pruned::Removed(0));
    assert_eq!(prune(&world, &["ghcr.io/owner/shell:1"]).await, Pruned::Removed(CONTENTS));
    let (stopped, _) = world.output(&world.task("exit 3")).await;
    assert_eq!(stopped.exit_code, Some(3), "it is pulled again: {stopped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_while_a_task_pulls() {
    let world = World::new().await;
    world.output(&world.task("exit 0")).await;
    // As another task's shim holds it.
    let lock = fs::File::open(world.lab.data("images").join("lock")).unwrap();
    lock.lock_shared().unwrap();
    assert_eq!(prune(&world, &[]).await, Pruned::Busy);
    drop(lock);
    assert_eq!(prune(&world, &[]).await, Pruned::Removed(CONTENTS));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_has_written_goes_after_a_reboot() {
    let world = World::new().await;
    let task = world.task("exec sleep 600");
    world.start(&task).await;
    world.running(&task).await;
    let storage: PathBuf = world.lab.data("tasks").join(&task.id);
    assert!(storage.exists());
    // As a reboot ends it.
    while world.lab.processes().kill_all() > 0 {
        tokio::task::yield_now().await;
    }
    world.gone(&task).await;
    fs::remove_dir_all(world.lab.run("tasks")).unwrap();
    let next = tasks(&world.lab);
    assert_eq!(next.list(), Vec::<String>::new());
    assert!(!storage.exists());
}
