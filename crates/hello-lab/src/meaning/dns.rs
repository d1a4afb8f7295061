//! What the lab's DNS servers answer.

use super::{interfaces, network::InternetHost};
use crate::{
    dns::model::{RecordData, RecordSet, ServerData, Zone},
    world::{Contents, Resource},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};
use terraform_provider_aws::value::Value;

/// How long an answer about an AWS name may be kept, in seconds: AWS's own sixty would make every drill wait.
const AWS_NAME_TTL: u32 = 5;

/// What the internet's server answers: AWS's public names, the registry's, and every hosted zone.
pub fn internet(contents: &Contents) -> ServerData {
    let mut zones: BTreeMap<String, Zone> = BTreeMap::new();
    let registry = Zone {
        names: [("ghcr.io".to_owned(), vec![addresses(AWS_NAME_TTL, [InternetHost::Registry.address()])])]
            .into(),
    };
    zones.insert("ghcr.io".to_owned(), registry);
    zones.insert("elb.amazonaws.com".to_owned(), load_balancers(contents));
    zones.insert("rds.amazonaws.com".to_owned(), databases(contents));
    for hosted in contents.of_type("aws_route53_zone").filter(|zone| zone.state.get("vpc").items().is_empty())
    {
        zones.insert(normal(hosted.text("name")), hosted_zone(contents, hosted));
    }
    ServerData { zones, forward: None }
}

/// What a VPC's resolver answers itself: the private names. It forwards the rest to the internet's server.
pub fn resolver(contents: &Contents, vpc: &Resource) -> ServerData {
    let mut zones = BTreeMap::from([("rds.amazonaws.com".to_owned(), databases(contents))]);
    let id = vpc.text("id");
    for hosted in contents.of_type("aws_route53_zone") {
        if hosted.state.get("vpc").items().iter().any(|vpc| vpc.get("vpc_id").as_str() == Some(id)) {
            zones.insert(normal(hosted.text("name")), hosted_zone(contents, hosted));
        }
    }
    ServerData { zones, forward: Some(InternetHost::Dns.address()) }
}

/// A name as servers compare it: lower case, without the last dot.
fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn addresses(ttl: u32, addresses: impl IntoIterator<Item = Ipv4Addr>) -> RecordSet {
    RecordSet { ttl, data: RecordData::A(addresses.into_iter().collect()) }
}

fn load_balancers(contents: &Contents) -> Zone {
    let names = super::load_balancers::all(contents).map(|balancer| {
        let record = addresses(AWS_NAME_TTL, balancer_addresses(contents, balancer));
        (normal(balancer.text("dns_name")), vec![record])
    });
    Zone { names: names.collect() }
}

/// The addresses of a load balancer's nodes: public ones where it is not internal.
fn balancer_addresses(contents: &Contents, balancer: &Resource) -> BTreeSet<Ipv4Addr> {
    let subnets = balancer.state.get("subnets").texts().into_iter();
    let owners =
        subnets.map(|subnet| interfaces::node_owner(&balancer.region, balancer.text("name"), subnet));
    let known = owners.filter_map(|owner| contents.interfaces.get(&owner));
    known.map(|interface| interface.public_address.unwrap_or(interface.address)).collect()
}

fn databases(contents: &Contents) -> Zone {
    let names = contents.of_type("aws_db_instance").filter_map(|instance| {
        let owner = interfaces::database_owner(&instance.region, instance.text("identifier"));
        let address = contents.interfaces.get(&owner)?.address;
        Some((normal(instance.text("address")), vec![addresses(AWS_NAME_TTL, [address])]))
    });
    Zone { names: names.collect() }
}

fn hosted_zone(contents: &Contents, zone: &Resource) -> Zone {
    let id = zone.text("zone_id");
    let mut names: BTreeMap<String, Vec<RecordSet>> = BTreeMap::new();
    names.entry(normal(zone.text("name"))).or_default().push(RecordSet {
        ttl: 172_800,
        data: RecordData::Ns(zone.state.get("name_servers").texts().into_iter().map(normal).collect()),
    });
    for record in contents.of_type("aws_route53_record").filter(|record| record.text("zone_id") == id) {
        let name = record.state.get("fqdn").non_empty().unwrap_or(record.text("name"));
        names.entry(normal(name)).or_default().extend(record_set(contents, &record.state));
    }
    Zone { names }
}

fn record_set(contents: &Contents, record: &Value) -> Option<RecordSet> {
    let alias = record.get("alias").only();
    if let Some(name) = alias.get("name").non_empty() {
        let name = normal(name);
        // An alias answers what its target answers; `dualstack.` is a prefix that changes nothing here.
        let target = name.strip_prefix("dualstack.").unwrap_or(&name).to_owned();
        let balancer =
            super::load_balancers::all(contents).find(|balancer| normal(balancer.text("dns_name")) == target);
        return balancer.map(|balancer| addresses(AWS_NAME_TTL, balancer_addresses(contents, balancer)));
    }
    let ttl = record.get("ttl").as_i64().and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(300);
    let values = record.get("records").texts();
    let texts = || values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let data = match record.get("type").as_str()? {
        "A" => RecordData::A(values.iter().filter_map(|value| value.parse().ok()).collect()),
        "CNAME" => RecordData::Cname(normal(values.first()?)),
        "TXT" => RecordData::Txt(texts()),
        "NS" => RecordData::Ns(values.iter().map(|value| normal(value)).collect()),
        other => RecordData::Other(other.to_owned(), texts()),
    };
    Some(RecordSet { ttl, data })
}

#[cfg(test)]
mod tests;
