//! VPCs, subnets, route tables, gateways, interfaces: what the network should be.

use super::{
    interfaces::{self, INTERNET_RANGE},
    replication, rules,
};
use crate::{
    lab::Lab,
    network::{
        model::{
            Host, Interface, Internet, InternetGateway, Network, Resolver, RouteTable, RouteTarget, Subnet,
            Vpc,
        },
        netns::Namespace,
    },
    world::{Contents, Resource},
};
use ipnet::Ipv4Net;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};
use terraform_provider_aws::value::Value;

/// A host of the lab's internet, by its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternetHost {
    /// The container registry.
    Registry,
    /// The DNS server.
    Dns,
    /// Anybody with a browser.
    Client,
    /// The one administrator.
    Administrator,
    /// Somebody whom nothing is opened for.
    Stranger,
}

impl InternetHost {
    /// All of them.
    pub const ALL: [InternetHost; 5] = [
        InternetHost::Registry,
        InternetHost::Dns,
        InternetHost::Client,
        InternetHost::Administrator,
        InternetHost::Stranger,
    ];

    /// Its name: of its part, and for `exec`.
    pub fn name(self) -> &'static str {
        match self {
            InternetHost::Registry => "registry",
            InternetHost::Dns => "internet-dns",
            InternetHost::Client => "client",
            InternetHost::Administrator => "admin",
            InternetHost::Stranger => "stranger",
        }
    }

    /// Its address.
    pub fn address(self) -> Ipv4Addr {
        let host = match self {
            InternetHost::Registry => 10,
            InternetHost::Dns => 53,
            InternetHost::Client => 100,
            InternetHost::Administrator => 77,
            InternetHost::Stranger => 99,
        };
        let [a, b, c, _] = INTERNET_RANGE;
        Ipv4Addr::new(a, b, c, host)
    }
}

/// What the owners of the internet's hosts begin with, in place of a region.
const INTERNET: &str = "internet";

/// The owner of a host of the internet.
pub fn host_owner(host: InternetHost) -> String {
    format!("{INTERNET}/{}", host.name())
}

/// Everything that has a namespace, by owner: interfaces, internet gateways, resolvers, hosts of the internet.
pub fn owners(contents: &Contents) -> BTreeSet<String> {
    let gateways = contents.addresses.keys().filter(|owner| !owner.ends_with("/range"));
    let hosts = InternetHost::ALL.into_iter().map(host_owner);
    contents.interfaces.keys().chain(gateways).cloned().chain(hosts).collect()
}

/// The namespace of an owner's part.
pub fn namespace(lab: &Lab, owner: &str) -> Namespace {
    match owner.split('/').collect::<Vec<_>>().as_slice() {
        [INTERNET, host] => lab.namespace(host),
        [_, "igw", id] => lab.namespace(id),
        [_, "dns", vpc] => lab.namespace(&resolver_part(vpc)),
        _ => interfaces::namespace(lab, owner),
    }
}

/// The part of a namespace's name that a VPC's resolver gives it.
fn resolver_part(vpc: &str) -> String {
    format!("{vpc}-dns")
}

/// The whole network that resources and records ask for. What cannot be read is left out: it was refused when applied.
pub fn network(contents: &Contents, lab: &Lab) -> Network {
    let vpcs = contents.of_type("aws_vpc").filter_map(|resource| vpc(contents, lab, resource));
    Network {
        internet: internet(contents, lab),
        vpcs: vpcs.map(|vpc| (vpc.id.clone(), vpc)).collect(),
        cut: contents.cuts.iter().map(|owner| namespace(lab, owner).name().to_owned()).collect(),
    }
}

fn internet(contents: &Contents, lab: &Lab) -> Internet {
    let ranges =
        contents.addresses.iter().filter(|(owner, _)| owner.ends_with("/range")).map(|(_, base)| *base);
    let range = |base| Ipv4Net::new(base, 24).expect("24 bits are within 32");
    let host = |host: InternetHost| {
        let namespace = lab.namespace(host.name()).name().to_owned();
        (host.name().to_owned(), Host { namespace, address: host.address() })
    };
    Internet {
        namespace: lab.namespace("internet").name().to_owned(),
        ranges: std::iter::once(Ipv4Addr::from(INTERNET_RANGE)).chain(ranges).map(range).collect(),
        hosts: InternetHost::ALL.into_iter().map(host).collect(),
    }
}

fn vpc(contents: &Contents, lab: &Lab, resource: &Resource) -> Option<Vpc> {
    let id = resource.text("id");
    let cidr: Ipv4Net = resource.text("cidr_block").parse().ok()?;
    let subnets = subnets(contents, resource);
    let in_vpc = |subnet: &str| subnets.contains_key(subnet);
    let wanted = interfaces::wanted(contents);
    let families = replication::families(contents);
    let interfaces = wanted.iter().filter(|wanted| in_vpc(&wanted.subnet)).filter_map(|wanted| {
        let record = contents.interfaces.get(&wanted.owner)?;
        let mut security_groups = wanted.security_groups.clone();
        if security_groups.is_empty() {
            security_groups.insert(resource.text("default_security_group_id").to_owned());
        }
        let own = families.iter().filter(|family| family.owners.contains(&wanted.owner));
        security_groups.extend(own.map(|family| family.group.clone()));
        let interface = Interface {
            id: record.id.clone(),
            namespace: interfaces::namespace(lab, &wanted.owner).name().to_owned(),
            subnet: record.subnet.clone(),
            address: record.address,
            public_address: record.public_address,
            security_groups,
            kind: wanted.kind,
            cut: contents.cuts.contains(&wanted.owner),
        };
        Some((record.id.clone(), interface))
    });
    let interfaces: BTreeMap<_, _> = interfaces.collect();
    let mut security_groups = rules::of_vpc(contents, resource);
    security_groups.extend(families.into_iter().map(|family| (family.group, family.rules)));
    let gateway = internet_gateway(contents, lab, id);
    let resolver = resource.state.get("enable_dns_support").as_bool() != Some(false);
    let resolver = resolver.then(|| resolver_of(contents, lab, resource, cidr)).flatten();
    Some(Vpc {
        id: id.to_owned(),
        region: resource.region.clone(),
        namespace: lab.namespace(id).name().to_owned(),
        cidr,
        route_tables: route_tables(contents, resource, gateway.as_ref()),
        internet_gateway: gateway,
        security_groups,
        interfaces,
        resolver,
        subnets,
    })
}

/// The base of the range plus two: <https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>
pub fn resolver_address(cidr: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(cidr.network()) + 2)
}

/// Who answers for names in the VPC of a subnet; `None` where DNS support is off.
pub fn resolver_in(contents: &Contents, subnet: &str) -> Option<Ipv4Addr> {
    let vpc = contents.get("aws_vpc", contents.get("aws_subnet", subnet)?.text("vpc_id"))?;
    let supports = vpc.state.get("enable_dns_support").as_bool() != Some(false);
    vpc.text("cidr_block").parse().ok().filter(|_| supports).map(resolver_address)
}

fn resolver_of(contents: &Contents, lab: &Lab, vpc: &Resource, cidr: Ipv4Net) -> Option<Resolver> {
    Some(Resolver {
        namespace: lab.namespace(&resolver_part(vpc.text("id"))).name().to_owned(),
        address: resolver_address(cidr),
        outside: *contents.addresses.get(&interfaces::resolver_owner(vpc))?,
    })
}

fn internet_gateway(contents: &Contents, lab: &Lab, vpc: &str) -> Option<InternetGateway> {
    let attached = |gateway: &&std::sync::Arc<Resource>| {
        gateway.text("vpc_id") == vpc
            || contents.of_type("aws_internet_gateway_attachment").any(|attachment| {
                attachment.text("internet_gateway_id") == gateway.text("id")
                    && attachment.text("vpc_id") == vpc
            })
    };
    let gateway = contents.of_type("aws_internet_gateway").find(attached)?;
    if contents.cuts.contains(&interfaces::gateway_owner(gateway)) {
        return None;
    }
    Some(InternetGateway {
        id: gateway.text("id").to_owned(),
        namespace: lab.namespace(gateway.text("id")).name().to_owned(),
        address: *contents.addresses.get(&interfaces::gateway_owner(gateway))?,
    })
}

fn subnets(contents: &Contents, vpc: &Resource) -> BTreeMap<String, Subnet> {
    let id = vpc.text("id");
    let replaced = contents.find("aws_main_route_table_association", "vpc_id", id);
    let main =
        replaced.map_or(vpc.text("main_route_table_id"), |association| association.text("route_table_id"));
    let of_vpc = contents.of_type("aws_subnet").filter(|subnet| subnet.text("vpc_id") == id);
    let subnet = of_vpc.filter_map(|subnet| {
        let association = contents.find("aws_route_table_association", "subnet_id", subnet.text("id"));
        let route_table = association.map_or(main, |association| association.text("route_table_id"));
        let model = Subnet {
            cidr: subnet.text("cidr_block").parse().ok()?,
            availability_zone: subnet.text("availability_zone").to_owned(),
            route_table: route_table.to_owned(),
        };
        Some((subnet.text("id").to_owned(), model))
    });
    subnet.collect()
}

fn route_tables(
    contents: &Contents,
    vpc: &Resource,
    gateway: Option<&InternetGateway>,
) -> BTreeMap<String, RouteTable> {
    let id = vpc.text("id");
    let mut tables = BTreeMap::from([(vpc.text("main_route_table_id").to_owned(), RouteTable::default())]);
    let own = contents.of_type("aws_route_table").filter(|table| table.text("vpc_id") == id);
    let default = contents.of_type("aws_default_route_table").filter(|table| table.text("vpc_id") == id);
    for table in own.chain(default) {
        let inline = table.state.get("route").items();
        let routes = inline.iter().filter_map(|entry| route(contents, entry, "cidr_block", gateway));
        tables.entry(table.text("id").to_owned()).or_default().routes.extend(routes);
    }
    for resource in contents.of_type("aws_route") {
        if let Some(table) = tables.get_mut(resource.text("route_table_id")) {
            table.routes.extend(route(contents, &resource.state, "destination_cidr_block", gateway));
        }
    }
    tables
}

fn route(
    contents: &Contents,
    route: &Value,
    destination: &str,
    gateway: Option<&InternetGateway>,
) -> Option<(Ipv4Net, RouteTarget)> {
    let destination = route.get(destination).as_str()?.parse().ok()?;
    let named = |name: &str| route.get(name).non_empty();
    let target = if let Some(id) = named("gateway_id") {
        match gateway {
            Some(gateway) if gateway.id == id => RouteTarget::InternetGateway,
            // The local route is always there.
            _ if id == "local" => return None,
            _ => RouteTarget::Blackhole,
        }
    } else if let Some(id) = named("nat_gateway_id") {
        let nat = contents.get("aws_nat_gateway", id);
        let interface = nat.and_then(|nat| contents.interfaces.get(&format!("{}/nat/{id}", nat.region)));
        interface.map_or(RouteTarget::Blackhole, |interface| RouteTarget::Interface(interface.id.clone()))
    } else {
        let interface = named("network_interface_id");
        let known = interface.filter(|id| contents.interfaces.values().any(|known| known.id == **id));
        known.map_or(RouteTarget::Blackhole, |id| RouteTarget::Interface(id.to_owned()))
    };
    Some((destination, target))
}

#[cfg(test)]
mod tests;
