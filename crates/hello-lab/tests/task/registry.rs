//! The registry, when what it stands on changes.

use crate::world::{World, make};
use hello_lab::process::Running;
use nix::sys::signal::Signal;

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
