//! Load balancers.

use super::{Context, Wake, pause};
use crate::{
    board::{Condition, part},
    load_balancer::model::LoadBalancer,
    meaning,
    world::{Contents, Resource},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::watch;

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, Some(context.load_balancers.changes()), stop);
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    loop {
        wake.begin();
        let generation = context.world.generation();
        let contents = context.world.snapshot();
        let mut well = true;
        let mut seen = BTreeSet::new();
        for resource in meaning::load_balancers::all(&contents) {
            let part = part::load_balancer(&resource.region, resource.text("name"));
            let model = model(&context, &contents, resource);
            seen.insert(part.clone());
            known.insert(part.clone(), model.id());
            // One that serves lets go of a target at once: until then clients are sent to it in vain.
            let serves = matches!(context.board.get(&part), Some(Condition::Ready(_)));
            if !resource.deleting && !serves && !context.has_network(generation) {
                context.wait_for(&part, "its network interfaces");
                well = false;
                continue;
            }
            let condition = if resource.deleting {
                match context.load_balancers.delete(&model.id()).await {
                    Ok(()) => Condition::Gone,
                    Err(error) => Condition::Pending(error.to_string()),
                }
            } else {
                let missing = meaning::load_balancers::missing(&contents, resource, &model);
                match context.load_balancers.reconcile(&model).await {
                    Ok(()) if missing.is_empty() => Condition::Ready(generation),
                    Ok(()) => Condition::Pending(missing.join("; ")),
                    Err(error) => Condition::Pending(error.to_string()),
                }
            };
            well &= !matches!(condition, Condition::Pending(_));
            context.set(&part, condition);
        }
        known.retain(|part, _| {
            let stays = seen.contains(part);
            if !stays {
                context.board.forget(part);
            }
            stays
        });
        let woken =
            if well { wake.wait(pause(true)).await } else { wake.wait_with_board(pause(false)).await };
        if woken.is_none() {
            return;
        }
    }
}

fn model(context: &Context, contents: &Contents, resource: &Resource) -> LoadBalancer {
    let certificate = |arn: &str| -> Option<PathBuf> {
        let issued = context.authority.issue(&meaning::certificates::of_listener(contents, arn)?);
        Some(
            issued.inspect_err(|error| tracing::error!("cannot issue a certificate: {error}")).ok()?.combined,
        )
    };
    meaning::load_balancers::load_balancer(contents, &context.lab, resource, &certificate)
}
