//! Which types are real, which are kept for others, which are only recorded; and which values the lab puts in.

use super::interfaces::{AllocationError, free_public_address};
use crate::world::Draft;
use terraform_provider_aws::value::Value;

/// How far a resource type is made real.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// It has parts of its own, or changes others'.
    Real,
    /// It has none, but others use what it holds.
    Stored,
    /// It is accepted, kept and returned exactly, and does nothing.
    Recorded,
}

/// The types that are more than recorded, by name.
const TYPES: &[(&str, Depth)] = &[
    ("aws_acm_certificate", Depth::Real),
    ("aws_acm_certificate_validation", Depth::Real),
    ("aws_alb", Depth::Real),
    ("aws_alb_listener", Depth::Real),
    ("aws_alb_listener_rule", Depth::Real),
    ("aws_alb_target_group", Depth::Real),
    ("aws_cloudwatch_log_group", Depth::Real),
    ("aws_db_instance", Depth::Real),
    ("aws_db_parameter_group", Depth::Real),
    ("aws_db_subnet_group", Depth::Real),
    ("aws_default_route_table", Depth::Real),
    ("aws_default_security_group", Depth::Real),
    ("aws_ecs_cluster", Depth::Stored),
    ("aws_ecs_service", Depth::Real),
    ("aws_ecs_task_definition", Depth::Real),
    ("aws_eip", Depth::Real),
    ("aws_iam_policy", Depth::Stored),
    ("aws_iam_role", Depth::Stored),
    ("aws_iam_role_policy", Depth::Stored),
    ("aws_iam_role_policy_attachment", Depth::Stored),
    ("aws_internet_gateway", Depth::Real),
    ("aws_internet_gateway_attachment", Depth::Real),
    ("aws_kms_alias", Depth::Stored),
    ("aws_kms_key", Depth::Stored),
    ("aws_lb", Depth::Real),
    ("aws_lb_listener", Depth::Real),
    ("aws_lb_listener_rule", Depth::Real),
    ("aws_lb_target_group", Depth::Real),
    ("aws_main_route_table_association", Depth::Real),
    ("aws_nat_gateway", Depth::Real),
    ("aws_route", Depth::Real),
    ("aws_route53_record", Depth::Real),
    ("aws_route53_zone", Depth::Real),
    ("aws_route_table", Depth::Real),
    ("aws_route_table_association", Depth::Real),
    ("aws_secretsmanager_secret", Depth::Stored),
    ("aws_secretsmanager_secret_version", Depth::Stored),
    ("aws_security_group", Depth::Real),
    ("aws_security_group_rule", Depth::Real),
    ("aws_ssm_parameter", Depth::Stored),
    ("aws_subnet", Depth::Real),
    ("aws_vpc", Depth::Real),
    ("aws_vpc_security_group_egress_rule", Depth::Real),
    ("aws_vpc_security_group_ingress_rule", Depth::Real),
];

/// How far a type is made real.
pub fn depth(type_name: &str) -> Depth {
    TYPES.binary_search_by_key(&type_name, |(name, _)| name).map_or(Depth::Recorded, |found| TYPES[found].1)
}

/// Puts what only the lab knows into the state of a new or changed resource.
pub fn complete(
    draft: &mut Draft,
    type_name: &str,
    region: &str,
    prior: &Value,
    state: &mut Value,
) -> Result<(), AllocationError> {
    match type_name {
        "aws_eip" if prior.is_null() => {
            let address = free_public_address(draft, region, "an elastic address")?;
            state.set("public_ip", address.to_string().into());
            let [a, b, c, d] = address.octets();
            state.set("public_dns", format!("ec2-{a}-{b}-{c}-{d}.{region}.compute.amazonaws.com").into());
        }
        "aws_default_security_group" => {
            let vpc = draft.contents.get("aws_vpc", state.get("vpc_id").as_str().unwrap_or_default());
            if let Some(vpc) = vpc {
                state.set("id", vpc.text("default_security_group_id").into());
            }
        }
        "aws_default_route_table" => {
            let id = state.get("default_route_table_id").clone();
            let vpc =
                draft.contents.of_type("aws_vpc").find(|vpc| vpc.state.get("main_route_table_id") == &id);
            if let Some(vpc) = vpc {
                state.set("vpc_id", vpc.text("id").into());
            }
            state.set("id", id);
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use terraform_provider_aws::schema::Catalogue;

    #[test]
    fn the_table_is_sorted_and_names_real_types() {
        assert!(TYPES.is_sorted_by_key(|(name, _)| name));
        let catalogue = Catalogue::aws();
        for (name, _) in TYPES {
            assert!(catalogue.resource(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_recorded() {
        assert_eq!(depth("aws_wafv2_web_acl"), Depth::Recorded);
        assert_eq!(depth("aws_vpc"), Depth::Real);
    }
}
