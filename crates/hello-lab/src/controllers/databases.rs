//! Database instances: one worker for each, so that a slow copy holds up nobody else.

use super::{Cause, Context, Wake, pause};
use crate::{
    board::{Condition, part},
    database::{
        self,
        model::{Instance, Status, TlsFiles},
    },
    meaning,
    world::Resource,
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{
    sync::watch,
    task::{self, JoinSet},
};

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop.clone());
    let mut workers = JoinSet::new();
    let mut working: BTreeMap<String, task::Id> = BTreeMap::new();
    loop {
        wake.begin();
        while let Some(ended) = workers.try_join_next_with_id() {
            // A worker that panicked is begun anew with all others that are not there.
            let id = match ended {
                Ok((id, ())) => id,
                Err(error) => {
                    tracing::error!("a database's worker has failed: {error}");
                    error.id()
                }
            };
            working.retain(|_, worker| *worker != id);
        }
        for resource in context.world.snapshot().of_type("aws_db_instance") {
            let (region, identifier) = (resource.region.clone(), resource.text("identifier").to_owned());
            working.entry(database::key(&region, &identifier)).or_insert_with(|| {
                let (context, stop) = (Arc::clone(&context), stop.clone());
                workers.spawn(async move { work(&context, &region, &identifier, stop).await }).id()
            });
        }
        if wake.wait(pause(true)).await.is_none() {
            // What it is in the middle of, a copy above all, goes on or begins anew with the next daemon.
            workers.shutdown().await;
            return;
        }
    }
}

/// Works on one instance until its resource is gone.
async fn work(context: &Context, region: &str, identifier: &str, stop: watch::Receiver<bool>) {
    let part = part::database(region, identifier);
    let key = database::key(region, identifier);
    let mut wake = Wake::new(context, Some(context.databases.disturbances()), stop);
    // What was last looked at, and whether it was as it should be.
    let mut seen: Option<(Instance, bool)> = None;
    let mut cause = Cause::Time;
    loop {
        // What has happened to its parts since it was woken counts more than what has woken it.
        if wake.begin() {
            cause = Cause::Parts;
        }
        let look = context.databases.begin_look(&key);
        let generation = context.world.generation();
        let contents = context.world.snapshot();
        let Some(resource) = meaning::databases::find(&contents, region, identifier) else {
            context.board.forget(&part);
            return;
        };
        let well = if resource.deleting {
            seen = None;
            delete(context, &part, resource, generation).await
        } else {
            let model = model(context, resource);
            match &model {
                None => {
                    context.wait_for(&part, "its address or its source");
                    false
                }
                // A change elsewhere in the world needs no look at the database.
                Some(instance) if cause == Cause::World && is_seen(seen.as_ref(), instance) == Some(true) => {
                    context.set(&part, Condition::Ready(generation));
                    true
                }
                Some(instance) if !context.has_network(generation) => {
                    // What was found wrong with it still is, and says more.
                    if is_seen(seen.as_ref(), instance).is_none() {
                        context.wait_for(&part, "its network interface");
                    }
                    false
                }
                Some(instance) => {
                    let (condition, well) = reconcile(context, instance, generation).await;
                    // One that was stopped or refused is looked at again after every change: it may be another now.
                    seen = model.map(|instance| (instance, matches!(condition, Condition::Ready(_))));
                    context.set(&part, condition);
                    well
                }
            }
        };
        drop(look);
        let woken =
            if well { wake.wait(pause(true)).await } else { wake.wait_with_board(pause(false)).await };
        match woken {
            Some(woken) => cause = woken,
            None => return,
        }
    }
}

/// Was this very model looked at, and was it well then?
fn is_seen(seen: Option<&(Instance, bool)>, instance: &Instance) -> Option<bool> {
    seen.filter(|(model, _)| model == instance).map(|(_, well)| *well)
}

/// What an instance should be, its certificate included; `None` while its address is not given yet.
pub fn model(context: &Context, resource: &Resource) -> Option<Instance> {
    let contents = context.world.snapshot();
    let issued = context.authority.issue(&meaning::certificates::of_database(&contents, resource)?);
    let issued = issued.inspect_err(|error| tracing::error!("cannot issue a certificate: {error}")).ok()?;
    let tls = TlsFiles { certificate: issued.chain, key: issued.key, ca: context.authority.certificate() };
    meaning::databases::instance(&contents, &context.lab, resource, tls)
}

/// How an instance fares once everything was done for it, and whether that is how it stays without a change.
async fn reconcile(context: &Context, instance: &Instance, generation: u64) -> (Condition, bool) {
    match context.databases.reconcile(instance).await {
        Ok(Status::Available) => (Condition::Ready(generation), true),
        Ok(Status::Creating) => (Condition::Pending("creating".to_owned()), false),
        Ok(Status::Rebooting) => (Condition::Pending("rebooting".to_owned()), false),
        Ok(Status::Stopped) => (Condition::Pending("stopped".to_owned()), true),
        Ok(Status::StorageFull) => {
            let gib = instance.storage >> 30;
            let sentence = format!(
                "storage-full: there is no room left in its {gib} GiB; raise allocated_storage, or undo the fault with \
                 hello-lab fault restore"
            );
            (Condition::Pending(sentence), true)
        }
        Ok(Status::Failed(reason)) => (Condition::Pending(reason), false),
        Err(error) if error.is_permanent() => (Condition::Failed(generation, error.to_string()), true),
        Err(error) => (Condition::Pending(error.to_string()), false),
    }
}

async fn delete(context: &Context, part: &str, resource: &Resource, generation: u64) -> bool {
    let skips = resource.state.get("skip_final_snapshot").as_bool() == Some(true);
    let snapshot = resource.state.get("final_snapshot_identifier").non_empty().filter(|_| !skips);
    let key = database::key(&resource.region, resource.text("identifier"));
    match context.databases.delete(&key, snapshot).await {
        Ok(()) => {
            context.set(part, Condition::Gone);
            true
        }
        Err(error) if error.is_permanent() => {
            context.set(part, Condition::Failed(generation, error.to_string()));
            true
        }
        Err(error) => {
            context.set(part, Condition::Pending(error.to_string()));
            false
        }
    }
}
