//! Security group rules in their three styles: rules of their own, inline blocks, and the old rule resource.

use crate::{
    network::model::{Peer, Protocol, Rule, SecurityGroup},
    world::{Contents, Resource},
};
use std::collections::BTreeMap;
use terraform_provider_aws::value::Value;

/// All security groups of a VPC with their rules.
pub fn of_vpc(contents: &Contents, vpc: &Resource) -> BTreeMap<String, SecurityGroup> {
    let id = vpc.text("id");
    let mut groups =
        BTreeMap::from([(vpc.text("default_security_group_id").to_owned(), default_group(contents, vpc))]);
    for group in contents.of_type("aws_security_group").filter(|group| group.text("vpc_id") == id) {
        groups.insert(group.text("id").to_owned(), inline(group));
    }
    for rule in contents.of_type("aws_vpc_security_group_ingress_rule") {
        if let Some(group) = groups.get_mut(rule.text("security_group_id")) {
            group.ingress.extend(single(&rule.state));
        }
    }
    for rule in contents.of_type("aws_vpc_security_group_egress_rule") {
        if let Some(group) = groups.get_mut(rule.text("security_group_id")) {
            group.egress.extend(single(&rule.state));
        }
    }
    for rule in contents.of_type("aws_security_group_rule") {
        let owner = rule.text("security_group_id");
        if let Some(group) = groups.get_mut(owner) {
            let rules = block(&rule.state, owner, "source_security_group_id");
            if rule.text("type") == "egress" { &mut group.egress } else { &mut group.ingress }.extend(rules);
        }
    }
    groups
}

/// The group that a VPC is made with: everything from its own members, everything out, until
/// `aws_default_security_group` takes it over.
///
/// <https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html>
fn default_group(contents: &Contents, vpc: &Resource) -> SecurityGroup {
    let id = vpc.text("default_security_group_id");
    if let Some(group) = contents.find("aws_default_security_group", "vpc_id", vpc.text("id")) {
        return inline(group);
    }
    let everywhere = Peer::Cidr("0.0.0.0/0".parse().expect("it is a network"));
    SecurityGroup {
        ingress: [Rule { protocol: Protocol::All, peer: Peer::SecurityGroup(id.to_owned()) }].into(),
        egress: [Rule { protocol: Protocol::All, peer: everywhere }].into(),
    }
}

fn inline(group: &Resource) -> SecurityGroup {
    let rules = |direction: &str| {
        let blocks = group.state.get(direction).items();
        blocks.iter().flat_map(|entry| block(entry, group.text("id"), "security_groups")).collect()
    };
    SecurityGroup { ingress: rules("ingress"), egress: rules("egress") }
}

/// A rule of its own: one peer.
fn single(rule: &Value) -> Option<Rule> {
    let peer = match (rule.get("cidr_ipv4").non_empty(), rule.get("referenced_security_group_id").non_empty())
    {
        (Some(cidr), _) => Peer::Cidr(cidr.parse().ok()?),
        // `ACCOUNT/sg-...` names a group of another account; there is one account here.
        (None, Some(group)) => Peer::SecurityGroup(group.rsplit('/').next().unwrap_or(group).to_owned()),
        (None, None) => return None,
    };
    Some(Rule { protocol: protocol(rule, "ip_protocol"), peer })
}

/// A block, or the old resource: any number of peers.
fn block(rule: &Value, own: &str, groups: &str) -> Vec<Rule> {
    let protocol = protocol(rule, "protocol");
    let mut peers = Vec::new();
    for cidr in rule.get("cidr_blocks").texts() {
        peers.extend(cidr.parse().ok().map(Peer::Cidr));
    }
    let named = rule.get(groups).texts().into_iter().chain(rule.get(groups).non_empty());
    peers.extend(named.map(|group| Peer::SecurityGroup(group.to_owned())));
    if rule.get("self").as_bool() == Some(true) {
        peers.push(Peer::SecurityGroup(own.to_owned()));
    }
    peers.into_iter().map(|peer| Rule { protocol, peer }).collect()
}

/// Why EC2 refuses a group or a rule beside those that there are, wholly known.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
pub fn contradiction(contents: &Contents, resource: &Resource) -> Option<String> {
    let others = contents.of_type(&resource.type_name).filter(|other| other.key() != resource.key());
    if resource.type_name == "aws_security_group" {
        let (name, vpc) = (resource.text("name"), resource.text("vpc_id"));
        let mut others = others.filter(|other| other.text("name") == name && other.text("vpc_id") == vpc);
        let blocks =
            ["ingress", "egress"].into_iter().flat_map(|direction| resource.state.get(direction).items());
        return blocks.into_iter().find_map(|block| disordered(block, "protocol")).or_else(|| {
            let _ = others.next()?;
            Some(format!("{vpc} has a security group of the name {name} already"))
        });
    }
    let group = resource.text("security_group_id");
    let in_vpc = |vpc: &Resource| vpc.text("default_security_group_id") == group;
    if contents.get("aws_security_group", group).is_none()
        && !contents.of_type("aws_vpc").any(|vpc| in_vpc(vpc))
    {
        return Some(format!("the security group {group:?} does not exist"));
    }
    let is_single = resource.type_name != "aws_security_group_rule";
    if let Some(reason) = disordered(&resource.state, if is_single { "ip_protocol" } else { "protocol" }) {
        return Some(reason);
    }
    let mut same = others.filter(|other| {
        is_single
            && other.text("security_group_id") == group
            && single(&other.state).is_some()
            && single(&other.state) == single(&resource.state)
    });
    same.next().map(|other| format!("{group} has this rule already: {}", other.text("id")))
}

/// Ports that are none, or from a greater to a smaller one.
fn disordered(rule: &Value, name: &str) -> Option<String> {
    let protocol = rule.get(name).as_str().unwrap_or("-1").to_ascii_lowercase();
    let (from, to) = (rule.get("from_port").as_i64()?, rule.get("to_port").as_i64()?);
    let has_ports = ["tcp", "6", "udp", "17"].contains(&protocol.as_str());
    let fits = 0 <= from && from <= to && to <= i64::from(u16::MAX);
    (has_ports && !fits).then(|| format!("from port {from} to port {to} is no range of ports"))
}

fn protocol(rule: &Value, name: &str) -> Protocol {
    let (from, to) = (rule.get("from_port").as_i64(), rule.get("to_port").as_i64());
    let port = |port: Option<i64>, open: u16| port.and_then(|port| u16::try_from(port).ok()).unwrap_or(open);
    let kind = |kind: Option<i64>| kind.and_then(|kind| u8::try_from(kind).ok());
    match rule.get(name).as_str().unwrap_or("-1").to_ascii_lowercase().as_str() {
        "tcp" | "6" => Protocol::Tcp(port(from, 0), port(to, u16::MAX)),
        "udp" | "17" => Protocol::Udp(port(from, 0), port(to, u16::MAX)),
        "icmp" | "1" => Protocol::Icmp(kind(from), kind(to)),
        _ => Protocol::All,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Known, resource, vpc};
    use super::*;

    fn rule(attributes: &[(&str, Value)]) -> Value {
        Value::object(attributes.iter().map(|(name, value)| (*name, value.clone())))
    }

    #[test]
    fn a_rule_of_its_own_has_one_peer() {
        let value = rule(&[
            ("ip_protocol", "tcp".into()),
            ("from_port", 5432.into()),
            ("to_port", 5432.into()),
            ("referenced_security_group_id", "sg-tasks".into()),
        ]);
        let expected =
            Rule { protocol: Protocol::Tcp(5432, 5432), peer: Peer::SecurityGroup("sg-tasks".to_owned()) };
        assert_eq!(single(&value), Some(expected));
    }

    #[test]
    fn a_block_has_a_rule_for_each_peer_and_knows_itself() {
        let value = rule(&[
            ("protocol", "-1".into()),
            ("cidr_blocks", Value::strings(["10.0.0.0/8", "192.0.2.0/24"])),
            ("security_groups", Value::strings(["sg-other"])),
            ("self", true.into()),
        ]);
        let peers: Vec<_> =
            block(&value, "sg-own", "security_groups").into_iter().map(|rule| rule.peer).collect();
        assert_eq!(peers.len(), 4);
        assert!(peers.contains(&Peer::SecurityGroup("sg-own".to_owned())));
    }

    #[test]
    fn every_icmp_type_is_minus_one() {
        let value =
            rule(&[("protocol", "icmp".into()), ("from_port", (-1).into()), ("to_port", (-1).into())]);
        assert_eq!(protocol(&value, "protocol"), Protocol::Icmp(None, None));
    }

    /// What EC2 would say to a resource beside a VPC, a group and a rule.
    fn refusal(type_name: &str, attributes: &[(&str, Value)]) -> Option<String> {
        let known = Known::of(vpc());
        let group = [("id", Value::from("sg-1")), ("name", "web".into()), ("vpc_id", "vpc-1".into())];
        known.put(resource("aws_security_group", &group));
        let ssh = [
            ("id", Value::from("sgr-1")),
            ("security_group_id", "sg-1".into()),
            ("ip_protocol", "tcp".into()),
            ("from_port", 22.into()),
            ("to_port", 22.into()),
            ("cidr_ipv4", "192.0.2.0/24".into()),
        ];
        known.put(resource("aws_vpc_security_group_ingress_rule", &ssh));
        contradiction(&known.contents(), &resource(type_name, attributes))
    }

    #[test]
    fn what_ec2_refuses_of_groups_and_rules_is_refused() {
        let of = |group: &str, from: i64, to: i64| {
            vec![
                ("id", Value::from("sgr-2")),
                ("security_group_id", group.into()),
                ("ip_protocol", "tcp".into()),
                ("from_port", from.into()),
                ("to_port", to.into()),
                ("cidr_ipv4", "192.0.2.0/24".into()),
            ]
        };
        let single = "aws_vpc_security_group_ingress_rule";
        for (group, from, to, expected) in [
            ("sg-1", 22, 22, Some("sg-1 has this rule already: sgr-1")),
            ("sg-1", 22, 23, None),
            ("sg-default", 22, 22, None),
            ("sg-nope", 22, 22, Some("the security group \"sg-nope\" does not exist")),
            ("sg-1", 6000, 5000, Some("from port 6000 to port 5000 is no range of ports")),
            ("sg-1", 0, 70_000, Some("from port 0 to port 70000 is no range of ports")),
        ] {
            assert_eq!(refusal(single, &of(group, from, to)).as_deref(), expected, "{group} {from}-{to}");
        }
        // Rules of two directions are two, and a rule is not itself another.
        assert_eq!(refusal("aws_vpc_security_group_egress_rule", &of("sg-1", 22, 22)), None);
        let itself = [&[("id", Value::from("sgr-1"))], &of("sg-1", 22, 22)[1..]].concat();
        assert_eq!(refusal(single, &itself), None);
        for (name, vpc, is_refused) in
            [("web", "vpc-1", true), ("web", "vpc-2", false), ("db", "vpc-1", false)]
        {
            let group = [("id", Value::from("sg-2")), ("name", name.into()), ("vpc_id", vpc.into())];
            assert_eq!(refusal("aws_security_group", &group).is_some(), is_refused, "{name} in {vpc}");
        }
    }
}
