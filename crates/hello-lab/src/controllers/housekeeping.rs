//! Removes what the lab keeps on the disk and needs no more: a lab may live for weeks.
//!
//! Nothing waits for it, so what fails is logged and tried again the next time. What the registry keeps is up to who
//! starts it: [`internet`](super::internet). Logs of a database are its own.

use super::{Context, Wake};
use crate::{
    logs::Logs,
    meaning::{certificates, tasks},
    task::image::prune::Pruned,
    timeouts,
};
use std::{io, sync::Arc, time::SystemTime};
use tokio::sync::watch;

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop);
    loop {
        wake.begin();
        let is_done = pass(&context).await;
        let rest = wake.stop.wait_for(|stop| *stop);
        if tokio::time::timeout(timeouts::HOUSEKEEPING_REST, rest).await.is_ok() {
            return;
        }
        if is_done && wake.wait(timeouts::HOUSEKEEPING).await.is_none() {
            return;
        }
    }
}

/// Removes what can be removed now; `false` where some of it is in the way of another.
async fn pass(context: &Arc<Context>) -> bool {
    let contents = context.world.snapshot();
    let images = context.tasks.prune_images(tasks::images(&contents)).await;
    let is_busy = matches!(images, Ok(Pruned::Busy));
    note("images", images.map(|pruned| if let Pruned::Removed(count) = pruned { count } else { 0 }));
    let context = Arc::clone(context);
    let work = move || {
        let now = SystemTime::now();
        note("certificates", context.authority.prune(&certificates::all(&contents), now));
        note("log segments", prune_logs(&context, now));
    };
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!("housekeeping has failed: {error}");
    }
    !is_busy
}

fn note(what: &str, removed: io::Result<usize>) {
    match removed {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "removed {what} that nothing needs any more: {count}"),
        Err(error) => tracing::warn!("failed to remove {what} that nothing needs any more: {error}"),
    }
}

fn prune_logs(context: &Context, now: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for region in Logs::regions(&context.lab)? {
        removed += Logs::new(&context.lab, &region).prune(now)?;
    }
    Ok(removed)
}
