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

pub(super) fn inline_rules(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    for direction in ["ingress", "egress"] {
        for inline in config.get(direction).items() {
            rule(inline, "protocol", &Path::attribute(direction), diagnostics);
        }
    }
}

/// hashicorp/aws, `internal/service/ec2`, `expandIPPerms`.
pub(super) fn rule(rule: &Value, protocol: &str, path: &Path, diagnostics: &mut Vec<Diagnostic>) {
    let all =
        rule.get(protocol).as_str().is_some_and(|word| word == "-1" || word.eq_ignore_ascii_case("all"));
    let (Some(from), Some(to)) = (rule.get("from_port").as_i64(), rule.get("to_port").as_i64()) else {
        return;
    };
    if all && (from != 0 || to != 0) {
        let sentence =
            format!("from_port ({from}) and to_port ({to}) must both be 0 to use the 'ALL' \"-1\" protocol!");
        diagnostics.push(Diagnostic::error(sentence, "").at(path.clone()));
    }
}
