//! Who needs a network interface, and which addresses are given away.
//!
//! An address stays with its owner until the owner is gone. Of each subnet the first four addresses and the last one are
//! AWS's own (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>).

use crate::{
    lab::Lab,
    network::{model::InterfaceKind, netns::Namespace},
    world::{Contents, Draft, InterfaceRecord, Resource, TaskNetwork},
};
use ipnet::Ipv4Net;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};
use terraform_provider_aws::value::Value;

/// Ranges of public addresses, one for each region in the order in which they were first used: documentation addresses
/// (RFC 5737), then those for benchmarks (RFC 2544).
const PUBLIC_RANGES: &[[u8; 4]] =
    &[[203, 0, 113, 0], [192, 0, 2, 0], [198, 18, 0, 0], [198, 18, 1, 0], [198, 18, 2, 0]];
/// The range of what stands on the internet by itself.
pub const INTERNET_RANGE: [u8; 4] = [198, 51, 100, 0];
/// Hosts from here on are given away; those below belong to routers.
const FIRST_PUBLIC_HOST: u32 = 10;

/// An interface that somebody needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `eu-west-1/db/hello`
    pub owner: String,
    /// Region.
    pub region: String,
    /// Subnet.
    pub subnet: String,
    /// Its public address.
    pub public: Public,
    /// Its security groups; none: the VPC's default one.
    pub security_groups: BTreeSet<String>,
    /// What stands behind it.
    pub kind: InterfaceKind,
}

/// A wanted public address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    /// None.
    None,
    /// One of the region's.
    Any,
    /// An elastic one.
    Fixed(Ipv4Addr),
}

/// Why no address could be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    /// The subnet has none left.
    #[error("subnet {0} has no free address left for {1}")]
    SubnetFull(String, String),
    /// The region has none left.
    #[error("region {0} has no free public address left for {1}")]
    NoPublicAddress(String, String),
    /// More regions than ranges.
    #[error("region {0} is one more than this lab has public addresses for")]
    TooManyRegions(String),
}

/// The owner of a database's interface.
pub fn database_owner(region: &str, identifier: &str) -> String {
    format!("{region}/db/{identifier}")
}

/// Region and identifier of the database whose interface this owner's is.
pub fn database_of(owner: &str) -> Option<(&str, &str)> {
    owner.split_once("/db/")
}

/// The owner of a task's interface.
pub fn task_owner(region: &str, id: &str) -> String {
    format!("{region}/task/{id}")
}

/// The owner of the interface of a load balancer's node.
pub fn node_owner(region: &str, load_balancer: &str, subnet: &str) -> String {
    format!("{region}/alb/{load_balancer}/{subnet}")
}

/// The namespace of an owner's part.
pub fn namespace(lab: &Lab, owner: &str) -> Namespace {
    lab.namespace(&namespace_part(owner))
}

/// The part of a namespace's name that an owner gives it.
pub fn namespace_part(owner: &str) -> String {
    owner.replace('/', "-")
}

/// Every interface that resources and tasks need.
pub fn wanted(contents: &Contents) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    wanted.extend(contents.of_type("aws_nat_gateway").filter_map(|gateway| nat(contents, gateway)));
    wanted.extend(contents.of_type("aws_db_instance").filter_map(|instance| database(contents, instance)));
    for balancer in contents.of_type("aws_lb").chain(contents.of_type("aws_alb")) {
        wanted.extend(nodes(balancer));
    }
    wanted.extend(tasks(contents));
    wanted
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.texts().into_iter().map(str::to_owned).collect()
}

fn nat(contents: &Contents, gateway: &Resource) -> Option<Wanted> {
    let public = match gateway.state.get("allocation_id").non_empty() {
        Some(allocation) => {
            let eip = contents.of_type("aws_eip").find(|eip| eip.text("allocation_id") == allocation)?;
            Public::Fixed(eip.text("public_ip").parse().ok()?)
        }
        None => Public::None,
    };
    Some(Wanted {
        owner: format!("{}/nat/{}", gateway.region, gateway.text("id")),
        region: gateway.region.clone(),
        subnet: gateway.text("subnet_id").to_owned(),
        public,
        security_groups: BTreeSet::new(),
        kind: InterfaceKind::NatGateway,
    })
}

/// The subnet group of an instance. A replica has taken over its source's.
fn subnet_group<'a>(contents: &'a Contents, instance: &'a Resource) -> Option<&'a Resource> {
    let name = instance.text("db_subnet_group_name");
    let mut groups = contents.of_type("aws_db_subnet_group");
    groups.find(|group| group.text("name") == name && group.region == instance.region).map(AsRef::as_ref)
}

fn database(contents: &Contents, instance: &Resource) -> Option<Wanted> {
    let subnets = subnet_group(contents, instance)?.state.get("subnet_ids").texts();
    let zone = instance.text("availability_zone");
    let in_zone = |subnet: &&str| {
        contents.get("aws_subnet", subnet).is_some_and(|subnet| subnet.text("availability_zone") == zone)
    };
    let subnet = subnets.iter().copied().find(in_zone).or_else(|| subnets.first().copied())?;
    Some(Wanted {
        owner: database_owner(&instance.region, instance.text("identifier")),
        region: instance.region.clone(),
        subnet: subnet.to_owned(),
        public: Public::None,
        security_groups: texts(instance.state.get("vpc_security_group_ids")),
        kind: InterfaceKind::Part,
    })
}

fn nodes(balancer: &Resource) -> impl Iterator<Item = Wanted> {
    let internal = balancer.state.get("internal").as_bool() == Some(true);
    balancer.state.get("subnets").texts().into_iter().map(move |subnet| Wanted {
        owner: node_owner(&balancer.region, balancer.text("name"), subnet),
        region: balancer.region.clone(),
        subnet: subnet.to_owned(),
        public: if internal { Public::None } else { Public::Any },
        security_groups: texts(balancer.state.get("security_groups")),
        kind: InterfaceKind::Part,
    })
}

/// The network configuration that a service gives to the tasks that it starts now.
pub fn task_network(service: &Resource) -> TaskNetwork {
    let network = service.state.get("network_configuration").only();
    TaskNetwork {
        subnets: texts(network.get("subnets")),
        security_groups: texts(network.get("security_groups")),
        public: network.get("assign_public_ip").as_bool() == Some(true),
    }
}

fn tasks(contents: &Contents) -> impl Iterator<Item = Wanted> {
    contents.tasks.iter().filter(|(_, task)| task.stopped.is_none()).map(|(id, task)| Wanted {
        owner: task_owner(&task.region, id),
        region: task.region.clone(),
        subnet: task.subnet.clone(),
        public: if task.network.public { Public::Any } else { Public::None },
        security_groups: task.network.security_groups.clone(),
        kind: InterfaceKind::Part,
    })
}

/// Gives addresses to whoever needs one and has none, and takes those of owners that are gone.
pub fn allocate(draft: &mut Draft) -> Result<(), AllocationError> {
    let wanted = wanted(&draft.contents);
    let owners: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.owner.as_str()).collect();
    let gone: Vec<String> =
        draft.contents.interfaces.keys().filter(|owner| !owners.contains(owner.as_str())).cloned().collect();
    for owner in gone {
        draft.remove_interface(&owner);
        // Whoever gets this name next is another part.
        draft.set_cut(&owner, false);
    }
    for wanted in &wanted {
        let known = draft.contents.interfaces.get(&wanted.owner).cloned();
        let same_subnet = known.filter(|known| known.subnet == wanted.subnet);
        let public_address =
            match (wanted.public, same_subnet.as_ref().and_then(|known| known.public_address)) {
                (Public::None, _) => None,
                (Public::Fixed(address), _) | (Public::Any, Some(address)) => Some(address),
                (Public::Any, None) => Some(free_public_address(draft, &wanted.region, &wanted.owner)?),
            };
        let interface = match same_subnet {
            Some(known) => InterfaceRecord { public_address, ..known },
            None => InterfaceRecord {
                id: interface_id(&wanted.owner, &wanted.subnet),
                region: wanted.region.clone(),
                subnet: wanted.subnet.clone(),
                address: free_address(&draft.contents, wanted)?,
                public_address,
            },
        };
        draft.put_interface(&wanted.owner, interface);
    }
    gateways(draft)
}

/// Internet gateways and resolvers have an address on the internet too.
fn gateways(draft: &mut Draft) -> Result<(), AllocationError> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for vpc in draft.contents.of_type("aws_vpc") {
        owners.insert(resolver_owner(vpc), vpc.region.clone());
    }
    for gateway in draft.contents.of_type("aws_internet_gateway") {
        owners.insert(gateway_owner(gateway), gateway.region.clone());
    }
    let gone: Vec<String> = draft
        .contents
        .addresses
        .keys()
        .filter(|owner| !owner.ends_with("/range") && !owners.contains_key(*owner))
        .cloned()
        .collect();
    for owner in gone {
        draft.remove_address(&owner);
        draft.set_cut(&owner, false);
    }
    for (owner, region) in owners {
        if !draft.contents.addresses.contains_key(&owner) {
            let address = free_public_address(draft, &region, &owner)?;
            draft.put_address(&owner, address);
        }
    }
    Ok(())
}

/// The owner of a VPC's resolver's outside address.
pub fn resolver_owner(vpc: &Resource) -> String {
    format!("{}/dns/{}", vpc.region, vpc.text("id"))
}

/// The owner of an internet gateway's own address.
pub fn gateway_owner(gateway: &Resource) -> String {
    format!("{}/igw/{}", gateway.region, gateway.text("id"))
}

/// An identifier made from the owner, so that the same owner in the same subnet always has the same.
fn interface_id(owner: &str, subnet: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{owner} {subnet}").as_bytes());
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("eni-{}", &digits[..17])
}

fn free_address(contents: &Contents, wanted: &Wanted) -> Result<Ipv4Addr, AllocationError> {
    let full = || AllocationError::SubnetFull(wanted.subnet.clone(), wanted.owner.clone());
    let subnet = contents.get("aws_subnet", &wanted.subnet).ok_or_else(full)?;
    let range: Ipv4Net = subnet.text("cidr_block").parse().map_err(|_| full())?;
    let used: BTreeSet<Ipv4Addr> = contents
        .interfaces
        .values()
        .filter(|known| known.subnet == wanted.subnet)
        .map(|known| known.address)
        .collect();
    let (first, last) = (u32::from(range.network()) + 4, u32::from(range.broadcast()));
    (first..last).map(Ipv4Addr::from).find(|address| !used.contains(address)).ok_or_else(full)
}

/// A public address of the region that nobody has.
pub fn free_public_address(
    draft: &mut Draft,
    region: &str,
    owner: &str,
) -> Result<Ipv4Addr, AllocationError> {
    let key = format!("{region}/range");
    let base = if let Some(base) = draft.contents.addresses.get(&key) {
        *base
    } else {
        let taken: BTreeSet<_> = draft.contents.addresses.values().copied().collect();
        let mut ranges = PUBLIC_RANGES.iter().copied().map(Ipv4Addr::from);
        let base = ranges
            .find(|range| !taken.contains(range))
            .ok_or_else(|| AllocationError::TooManyRegions(region.to_owned()))?;
        draft.put_address(&key, base);
        base
    };
    let contents = &draft.contents;
    let elastic = contents.of_type("aws_eip").filter_map(|eip| eip.text("public_ip").parse().ok());
    let of_interfaces = contents.interfaces.values().filter_map(|interface| interface.public_address);
    let used: BTreeSet<Ipv4Addr> =
        elastic.chain(of_interfaces).chain(contents.addresses.values().copied()).collect();
    (FIRST_PUBLIC_HOST..255)
        .map(|host| Ipv4Addr::from(u32::from(base) + host))
        .find(|address| !used.contains(address))
        .ok_or_else(|| AllocationError::NoPublicAddress(region.to_owned(), owner.to_owned()))
}

#[cfg(test)]
mod tests;
