//! DNS servers: the internet's, and one for each VPC.

use super::{Context, Wake, pause};
use crate::{
    board::{Condition, part},
    meaning::{self, interfaces, network::InternetHost},
    network::netns::Namespace,
};
use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};
use tokio::sync::watch;

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop);
    loop {
        wake.begin();
        let generation = context.world.generation();
        let mut well = false;
        if context.has_network(generation) {
            let condition = match pass(&context).await {
                Ok(()) => Condition::Ready(generation),
                Err(sentence) => Condition::Pending(sentence),
            };
            well = matches!(condition, Condition::Ready(_));
            context.set(part::DNS, condition);
        } else {
            context.wait_for(part::DNS, "the network");
        }
        let woken =
            if well { wake.wait(pause(true)).await } else { wake.wait_with_board(pause(false)).await };
        if woken.is_none() {
            return;
        }
    }
}

async fn pass(context: &Context) -> Result<(), String> {
    let contents = context.world.snapshot();
    let host = InternetHost::Dns;
    let mut wanted = BTreeSet::new();
    let mut servers: Vec<(String, Namespace, Vec<Ipv4Addr>, crate::dns::model::ServerData)> = vec![(
        host.name().to_owned(),
        context.lab.namespace(host.name()),
        vec![host.address()],
        meaning::dns::internet(&contents),
    )];
    for vpc in meaning::network::network(&contents, &context.lab).vpcs.into_values() {
        let Some(resolver) = vpc.resolver else { continue };
        let Some(resource) = contents.get("aws_vpc", &vpc.id) else { continue };
        let namespace = Namespace::named(resolver.namespace);
        servers.push((
            interfaces::namespace_part(&interfaces::resolver_owner(resource)),
            namespace,
            vec![resolver.address],
            meaning::dns::resolver(&contents, resource),
        ));
    }
    let mut failed = Vec::new();
    for (name, namespace, addresses, data) in servers {
        wanted.insert(name.clone());
        if let Err(error) = context.dns.reconcile(&name, &namespace, &addresses, &data).await {
            failed.push(format!("{name}: {error}"));
        }
    }
    failed.extend(context.dns.delete_others(&wanted).await.iter().map(ToString::to_string));
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}
