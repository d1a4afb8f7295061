//! Snapshots of databases that Terraform asks for (`aws_db_snapshot`).
//!
//! A snapshot that was taken stays, whatever becomes of its instance. One that somebody removed by hand is taken anew, of
//! that later moment.

use super::{Context, Wake, pause};
use crate::{
    board::{Condition, part},
    database::{DatabaseError, Snapshot, key},
    meaning::databases,
    world::Resource,
};
use std::{sync::Arc, time::UNIX_EPOCH};
use tokio::sync::watch;

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop);
    if let Err(error) = context.databases.forget_unfinished_snapshots().await {
        tracing::warn!("snapshots that are not complete are left: {error}");
    }
    loop {
        wake.begin();
        let generation = context.world.generation();
        let mut well = true;
        for resource in context.world.snapshot().of_type("aws_db_snapshot") {
            let condition = condition(&context, resource, generation).await;
            well &= !matches!(condition, Condition::Pending(_));
            context
                .set(&part::snapshot(&resource.region, resource.text("db_snapshot_identifier")), condition);
        }
        let woken =
            if well { wake.wait(pause(true)).await } else { wake.wait_with_board(pause(false)).await };
        if woken.is_none() {
            return;
        }
    }
}

/// Makes one snapshot as it should be, and says what came of it.
async fn condition(context: &Context, resource: &Resource, generation: u64) -> Condition {
    let name = resource.text("db_snapshot_identifier");
    let instance = resource.text("db_instance_identifier");
    let found = match context.databases.snapshots() {
        Ok(all) => all.into_iter().find(|found| found.name == name && found.region == resource.region),
        Err(error) => return Condition::Pending(error.to_string()),
    };
    let done = match found {
        Some(snapshot) if resource.deleting && is_of(&snapshot, resource) => {
            context.databases.delete_snapshot(&key(&resource.region, name))
        }
        _ if resource.deleting => Ok(()),
        Some(snapshot) if is_of(&snapshot, resource) => Ok(()),
        Some(_) => Err(DatabaseError::SnapshotExists(name.to_owned())),
        None => context.databases.snapshot(&key(&resource.region, instance), name).await.map(|_| ()),
    };
    match done {
        Ok(()) if resource.deleting => Condition::Gone,
        Ok(()) => Condition::Ready(generation),
        Err(error @ DatabaseError::NoInstance(_))
            if databases::find(&context.world.snapshot(), &resource.region, instance).is_none() =>
        {
            Condition::Failed(generation, error.to_string())
        }
        Err(error) if error.is_permanent() => Condition::Failed(generation, error.to_string()),
        Err(error) => Condition::Pending(error.to_string()),
    }
}

/// Was the snapshot taken for the resource? One that is older has the name by another's will, and is not touched.
fn is_of(snapshot: &Snapshot, resource: &Resource) -> bool {
    let created = snapshot.created.duration_since(UNIX_EPOCH).unwrap_or_default();
    created.as_millis() >= u128::from(resource.made_at)
        && snapshot.instance == resource.text("db_instance_identifier")
}
