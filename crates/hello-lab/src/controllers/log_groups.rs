//! Log groups: the ones that resources name, and what is older than their retention goes.

use super::{Context, Wake, pause};
use crate::{
    board::{Condition, part},
    logs::{Group, Logs},
};
use std::{collections::BTreeSet, io, sync::Arc, time::SystemTime};
use tokio::sync::watch;

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop);
    loop {
        wake.begin();
        let generation = context.world.generation();
        let pass = {
            let context = Arc::clone(&context);
            tokio::task::spawn_blocking(move || pass(&context))
        };
        let result = pass.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let well = result.is_ok();
        context.set(
            part::LOGS,
            match result {
                Ok(()) => Condition::Ready(generation),
                Err(error) => Condition::Pending(format!("cannot keep the log groups: {error}")),
            },
        );
        if wake.wait(pause(well)).await.is_none() {
            return;
        }
    }
}

fn pass(context: &Context) -> io::Result<()> {
    let contents = context.world.snapshot();
    let resources: Vec<_> = contents.of_type("aws_cloudwatch_log_group").collect();
    let regions: BTreeSet<&str> = contents.resources.keys().map(|key| key.region.as_str()).collect();
    for region in regions {
        let logs = Logs::new(&context.lab, region);
        let there = logs.groups()?;
        let mut wanted = BTreeSet::new();
        for resource in resources.iter().filter(|resource| resource.region == region && !resource.deleting) {
            let days =
                resource.state.get("retention_in_days").as_i64().and_then(|days| u32::try_from(days).ok());
            let group = Group {
                name: resource.text("name").to_owned(),
                retention_days: days.filter(|days| *days > 0),
            };
            wanted.insert(group.name.clone());
            if !there.contains(&group) {
                logs.put_group(&group)?;
            }
        }
        for group in there.into_iter().filter(|group| !wanted.contains(&group.name)) {
            logs.delete_group(&group.name)?;
        }
        logs.prune(SystemTime::now())?;
    }
    Ok(())
}
