//! The import id of a rule of a security group: `sg-1_ingress_tcp_80_80_10.0.0.0/8_sg-2`.
//!
//! hashicorp/aws 6.25, `internal/service/ec2`, `resourceSecurityGroupRuleImport`: sentences and what each source is.

use crate::value::{Number, Value};

const SEPARATOR: &str = "_";

pub(super) fn read(id: &str) -> Result<Value, String> {
    let refuse = |cause: &str| {
        Err(format!(
            "unexpected format for ID ({id:?}), expected \
             SECURITYGROUPID_TYPE_PROTOCOL_FROMPORT_TOPORT_SOURCE[_SOURCE]*: {cause}"
        ))
    };
    let parts: Vec<&str> = id.split(SEPARATOR).collect();
    let [group, kind, protocol, from, to, sources @ ..] = parts.as_slice() else {
        return refuse("too few parts");
    };
    if sources.is_empty() {
        return refuse("too few parts");
    }
    if !group.starts_with("sg-") {
        return refuse("invalid Security Group ID");
    }
    if !matches!(*kind, "ingress" | "egress") {
        return refuse("expecting 'ingress' or 'egress'");
    }
    if !matches!(*protocol, "tcp" | "udp" | "icmp" | "icmpv6" | "all" | "-1")
        && protocol.parse::<i64>().is_err()
    {
        return refuse("protocol must be tcp/udp/icmp/icmpv6/all or a number");
    }
    let port = |text: &str| text.parse::<i64>().ok();
    let Some(from) = port(from) else { return refuse("invalid from_port") };
    let Some(to) = port(to) else { return refuse("invalid to_port") };
    let is_icmp = matches!(*protocol, "icmp" | "icmpv6" | "1" | "58");
    if !is_icmp && to < from {
        return refuse("to_port lower than from_port");
    }
    let number = |number: i64| Value::Number(Number::from(number));
    let mut rule = Value::object([
        ("security_group_id", Value::from(*group)),
        ("type", Value::from(*kind)),
        ("protocol", Value::from(*protocol)),
        ("from_port", number(from)),
        ("to_port", number(to)),
        ("self", Value::from(false)),
    ]);
    let [mut cidr, mut ipv6, mut lists] = [Vec::new(), Vec::new(), Vec::new()];
    for source in sources {
        match *source {
            "self" => rule.set("self", true.into()),
            group if group.contains("sg-") => rule.set("source_security_group_id", group.into()),
            network if network.contains(':') => ipv6.push(network),
            list if list.contains("pl-") => lists.push(list),
            network if network.contains('.') => cidr.push(network),
            _ => {
                return refuse("source must be cidr, ipv6cidr, prefix list, 'self', or a Security Group ID");
            }
        }
    }
    for (name, values) in [("cidr_blocks", cidr), ("ipv6_cidr_blocks", ipv6), ("prefix_list_ids", lists)] {
        if !values.is_empty() {
            rule.set(name, Value::strings(values));
        }
    }
    Ok(rule)
}

/// The id with its sources in one order, so that the order in which they are written does not matter.
pub(super) fn write(state: &Value) -> Option<String> {
    let text = |name: &str| state.get(name).non_empty().map(str::to_owned);
    let port = |name: &str| state.get(name).as_i64().map(|port| port.to_string());
    let mut parts = vec![
        text("security_group_id")?,
        text("type")?,
        text("protocol")?,
        port("from_port")?,
        port("to_port")?,
    ];
    let mut sources: Vec<String> = ["cidr_blocks", "ipv6_cidr_blocks", "prefix_list_ids"]
        .into_iter()
        .flat_map(|name| state.get(name).texts())
        .map(str::to_owned)
        .collect();
    sources.extend(text("source_security_group_id"));
    sources.extend((state.get("self").as_bool() == Some(true)).then(|| "self".to_owned()));
    sources.sort();
    (!sources.is_empty()).then(|| {
        parts.extend(sources);
        parts.join(SEPARATOR)
    })
}
