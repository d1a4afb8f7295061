//! Networks and security groups.

use crate::{
    diagnostic::{Diagnostic, Path},
    value::Value,
};

/// The longest and shortest prefix of a VPC or subnet.
///
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>; hashicorp/aws, `internal/service/ec2`,
/// `resourceVPC`: `IsCIDRNetwork(vpcCIDRMinIPv4, vpcCIDRMaxIPv4)`.
const PREFIXES: std::ops::RangeInclusive<u8> = 16..=28;

pub(super) fn network(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    let Some(block) = config.get("cidr_block").non_empty() else { return };
    let length = block.split_once('/').and_then(|(_, length)| length.parse::<u8>().ok());
    if length.is_some_and(|length| !PREFIXES.contains(&length)) {
        diagnostics.push(
            Diagnostic::error(
                format!(
                    "expected \"cidr_block\" to contain a network Value with between {} and {} significant bits, got: {block}",
                    PREFIXES.start(),
                    PREFIXES.end()
                ),
                "",
            )
            .at(Path::attribute("cidr_block")),
        );
    }
}

/// hashicorp/aws, `internal/service/ec2`, `expandIPPerms`. A rule that is a resource of its own may name any ports.
pub(super) fn inline_rules(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    for direction in ["ingress", "egress"] {
        for rule in config.get(direction).items() {
            let protocol = rule.get("protocol").as_str().unwrap_or_default();
            let all = protocol == "-1" || protocol.eq_ignore_ascii_case("all");
            let (from, to) = (rule.get("from_port").as_i64(), rule.get("to_port").as_i64());
            if let (true, Some(from), Some(to)) = (all && (from, to) != (Some(0), Some(0)), from, to) {
                let sentence = format!(
                    "from_port ({from}) and to_port ({to}) must both be 0 to use the 'ALL' \"-1\" protocol!"
                );
                diagnostics.push(Diagnostic::error(sentence, "").at(Path::attribute(direction)));
            }
        }
    }
}
