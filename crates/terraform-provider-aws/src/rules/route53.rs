//! DNS records.

use crate::{diagnostic::Diagnostic, value::Value};
use std::collections::BTreeMap;

/// Routing policies by their block.
const POLICIES: &[(&str, &str)] = &[
    ("cidr_routing_policy", "cidr"),
    ("failover_routing_policy", "failover"),
    ("geolocation_routing_policy", "geolocation"),
    ("geoproximity_routing_policy", "geoproximity"),
    ("latency_routing_policy", "latency"),
    ("weighted_routing_policy", "weighted"),
];

/// The routing policy of a record.
fn policy(record: &Value) -> &'static str {
    let block = POLICIES.iter().find(|(block, _)| !record.get(block).items().is_empty());
    match block {
        Some((_, policy)) => policy,
        None if record.get("multivalue_answer_routing_policy").as_bool() == Some(true) => "multivalue",
        None => "simple",
    }
}

/// Zone, name and type.
type Key = (String, String, String);

/// The records of one plan.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Policy by set identifier; for fail-over, its role after a colon.
    seen: BTreeMap<Key, BTreeMap<String, String>>,
}

impl Records {
    /// Records of one name and type share one policy, and one of them at most is the fail-over's primary.
    ///
    /// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html> (`Failover`, `Weight`); the
    /// sentences: <https://github.com/kubernetes-sigs/external-dns/issues/4345>,
    /// <https://github.com/chef-boneyard/route53/issues/100>.
    pub(super) fn admit(&mut self, planned: &Value) -> Option<Diagnostic> {
        let text = |name: &str| planned.get(name).as_str().map(str::to_owned);
        let key = (text("zone_id")?, text("name")?.trim_end_matches('.').to_lowercase(), text("type")?);
        let identifier = match planned.get("set_identifier") {
            Value::Unknown(_) => return None,
            identifier => identifier.as_str().unwrap_or_default().to_owned(),
        };
        let own = match policy(planned) {
            "failover" => {
                format!("failover:{}", planned.get("failover_routing_policy").only().get("type").as_str()?)
            }
            policy => policy.to_owned(),
        };
        let seen = self.seen.entry(key.clone()).or_default();
        let others = seen.iter().filter(|(other, _)| **other != identifier);
        let kind = |policy: &str| policy.split(':').next().unwrap_or_default().to_owned();
        let mut cause = None;
        for (other, policy) in others {
            if kind(policy) != kind(&own) {
                let weighted =
                    if own == "weighted" { "a non-weighted set exists" } else { "other RRSets exist" };
                cause = Some(format!(
                    "{weighted} with the same name and type ({} {other:?} beside {})",
                    kind(policy),
                    kind(&own)
                ));
            } else if own.starts_with("failover:") && *policy == own {
                let role = own.trim_start_matches("failover:");
                cause = Some(format!(
                    "another failover set with the same name and type is the {role} too ({other:?})"
                ));
            }
        }
        seen.insert(identifier.clone(), own);
        let (_, name, kind) = key;
        cause.map(|cause| {
            Diagnostic::error(
                "InvalidChangeBatch",
                format!("RRSet with DNS name {name}., type {kind}, SetIdentifier {identifier} cannot be created as {cause}."),
            )
        })
    }
}
