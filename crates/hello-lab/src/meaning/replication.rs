//! The way from a database to its replicas. RDS replicates over a path of its own, which no security group of ours needs to
//! open (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.html>): here a group that belongs to the lab.

use super::{databases, interfaces::database_owner};
use crate::{
    network::model::{Peer, Protocol, Rule, SecurityGroup},
    world::{Contents, Resource},
};
use std::collections::{BTreeMap, BTreeSet};

/// A source with its replicas, as a security group of the lab's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Name of the group; no identifier of AWS's looks so.
    pub group: String,
    /// Owners of the members' interfaces.
    pub owners: BTreeSet<String>,
    /// What it permits: the source's port, between members.
    pub rules: SecurityGroup,
}

/// All sources that have replicas.
pub fn families(contents: &Contents) -> Vec<Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for replica in contents.of_type("aws_db_instance") {
        let named = replica.given("replicate_source_db").non_empty();
        let Some(source) = named.and_then(|name| databases::find(contents, &replica.region, name)) else {
            continue;
        };
        let owner = |instance: &Resource| database_owner(&instance.region, instance.text("identifier"));
        let group = format!("rds-replication-{}-{}", source.region, source.text("identifier"));
        let port = databases::port(source);
        let rule = Rule { protocol: Protocol::Tcp(port, port), peer: Peer::SecurityGroup(group.clone()) };
        let rules = SecurityGroup { ingress: [rule.clone()].into(), egress: [rule].into() };
        let family =
            families.entry(group.clone()).or_insert(Family { group, owners: BTreeSet::new(), rules });
        family.owners.extend([owner(source), owner(replica)]);
    }
    families.into_values().collect()
}

#[cfg(test)]
mod tests;
