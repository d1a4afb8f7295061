//! What stands on the lab's internet: the container registry, and the port of this machine that leads to the published
//! load balancer.

use super::{Context, Wake, pause};
use crate::{
    board::{Condition, part},
    environment::REGISTRY_USER,
    meaning::{
        certificates::{self, REGISTRY},
        network::InternetHost,
        tasks,
    },
    publish::Destination,
    registry::Registry,
    secret::Secret,
    status, timeouts,
};
use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};
use tokio::sync::watch;

/// The setting that holds the password of the registry's user.
pub const PASSWORD_SETTING: &str = "registry-password";
/// The setting that holds the image that was pushed last, by digest.
pub const IMAGE_SETTING: &str = "image";
/// The name of the published port.
pub const PUBLISHED: &str = "https";
/// HTTPS.
const HTTPS: u16 = 443;

/// The registry as it should be; `None` before its password was chosen.
pub fn registry(context: &Context) -> std::io::Result<Option<Registry>> {
    let host = InternetHost::Registry;
    let contents = context.world.snapshot();
    let Some(password) = contents.settings.get(PASSWORD_SETTING) else { return Ok(None) };
    let issued = context.authority.issue(&certificates::of_registry())?;
    Ok(Some(Registry {
        name: REGISTRY.to_owned(),
        namespace: context.lab.namespace(host.name()),
        address: host.address(),
        certificate: issued.chain,
        key: issued.key,
        authority: context.authority.certificate(),
        users: vec![(REGISTRY_USER.to_owned(), Secret::new(password.clone()))],
    }))
}

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, port: u16, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop);
    let mut pruned: Option<Instant> = None;
    loop {
        wake.begin();
        let generation = context.world.generation();
        let mut well = false;
        // The internet's hosts are there from the first pass of the network on.
        if context.has_network(0) {
            well = report(&context, part::REGISTRY, generation, start_registry(&context).await);
            if well && pruned.is_none_or(|last| last.elapsed() > timeouts::HOUSEKEEPING) {
                match prune_registry(&context).await {
                    Ok(true) => pruned = Some(Instant::now()),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!("failed to remove images from the registry: {error:#}");
                        pruned = Some(Instant::now());
                    }
                }
            }
            well &= report(&context, part::PUBLISHED, generation, publish(&context, port).await);
        }
        let woken =
            if well { wake.wait(pause(true)).await } else { wake.wait_with_board(pause(false)).await };
        if woken.is_none() {
            return;
        }
    }
}

fn report(context: &Context, part: &str, generation: u64, result: anyhow::Result<()>) -> bool {
    let well = result.is_ok();
    context.set(
        part,
        match result {
            Ok(()) => Condition::Ready(generation),
            Err(error) => Condition::Pending(format!("{error:#}")),
        },
    );
    well
}

async fn start_registry(context: &Context) -> anyhow::Result<()> {
    if let Some(registry) = registry(context)? {
        registry.start(&context.lab).await?;
    }
    Ok(())
}

/// Removes the images that nothing needs any more; `false` while somebody pushes.
async fn prune_registry(context: &Context) -> anyhow::Result<bool> {
    let Ok(_alone) = context.pushing.try_write() else { return Ok(false) };
    let Some(registry) = registry(context)? else { return Ok(true) };
    let contents = context.world.snapshot();
    let mut wanted = tasks::images(&contents);
    wanted.extend(contents.settings.get(IMAGE_SETTING).cloned());
    let removed = registry.prune(&context.lab, &wanted, SystemTime::now()).await;
    // Whatever has come of it.
    registry.start(&context.lab).await?;
    let removed = removed?;
    if removed > 0 {
        let sentence = format!("{removed} images that nothing needs any more are removed");
        context.events.tell(part::REGISTRY, &sentence);
    }
    Ok(true)
}

async fn publish(context: &Context, port: u16) -> anyhow::Result<()> {
    let Some(host) = status::published(&context.world.snapshot()) else {
        return Ok(context.published.withdraw(PUBLISHED).await?);
    };
    let destination = Destination {
        namespace: context.lab.namespace(InternetHost::Client.name()).name().to_owned(),
        dns: InternetHost::Dns.address(),
        host,
        port: HTTPS,
    };
    context.published.reconcile(PUBLISHED, port, &destination).await?;
    Ok(())
}
