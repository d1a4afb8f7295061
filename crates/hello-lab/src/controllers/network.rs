//! Namespaces, links, routes, filters: one pass for the whole network of the lab.

use super::{Context, Wake, pause};
use crate::{
    board::{Condition, part},
    meaning,
    network::{self, NetworkError, Report},
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::watch;

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop);
    let mut told = BTreeSet::new();
    loop {
        wake.begin();
        let generation = context.world.generation();
        let well = match pass(&context).await {
            Ok(report) => {
                let refused: BTreeSet<String> = report.refused.iter().cloned().collect();
                for sentence in refused.difference(&told) {
                    context.events.tell(part::NETWORK, sentence);
                }
                told = refused;
                context.set(part::NETWORK, Condition::Ready(generation));
                report.waiting.is_empty()
            }
            Err(error) => {
                context.set(part::NETWORK, Condition::Pending(error.to_string()));
                false
            }
        };
        if wake.wait(pause(well)).await.is_none() {
            return;
        }
    }
}

async fn pass(context: &Context) -> Result<Report, NetworkError> {
    let model = meaning::network::network(&context.world.snapshot(), &context.lab);
    let lab = context.lab.clone();
    let pass = tokio::task::spawn_blocking(move || network::reconcile(&lab, &model));
    pass.await.unwrap_or_else(|error| Err(NetworkError::List(std::io::Error::other(error))))
}
