//! Which types are real, which are kept for others, which are only recorded; and which values the lab puts in.

use super::{
    databases,
    interfaces::{AllocationError, free_public_address},
    tasks, values,
};
use crate::world::Draft;
use terraform_provider_aws::{backend::Change, value::Value};

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

/// A resource type that is more than recorded.
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) depth: Depth,
    /// Arguments and blocks that have an effect here. Nothing is said of the arguments of a type that is only stored.
    pub(super) arguments: &'static [&'static str],
}

// Some types have two names, and some differ in the direction only.
const LOAD_BALANCER: &[&str] = &[
    "name",
    "name_prefix",
    "load_balancer_type",
    "internal",
    "security_groups",
    "subnets",
    "idle_timeout",
    "client_keep_alive",
    "drop_invalid_header_fields",
    "enable_deletion_protection",
];
const LISTENER: &[&str] =
    &["load_balancer_arn", "port", "protocol", "certificate_arn", "ssl_policy", "default_action"];
const LISTENER_RULE: &[&str] = &["listener_arn", "priority", "action", "condition"];
const TARGET_GROUP: &[&str] = &[
    "name",
    "name_prefix",
    "vpc_id",
    "target_type",
    "protocol",
    "port",
    "deregistration_delay",
    "health_check",
    "target_group_health",
];
const ATTACHMENT: &[&str] = &["target_group_arn", "target_id", "port"];
const RULE: &[&str] = &[
    "security_group_id",
    "description",
    "ip_protocol",
    "from_port",
    "to_port",
    "cidr_ipv4",
    "referenced_security_group_id",
];

/// The types that are more than recorded, by name.
pub(super) const TYPES: &[Type] = &[
    Type {
        name: "aws_acm_certificate",
        depth: Depth::Real,
        arguments: &["domain_name", "subject_alternative_names", "validation_method"],
    },
    Type {
        name: "aws_acm_certificate_validation",
        depth: Depth::Real,
        arguments: &["certificate_arn", "validation_record_fqdns"],
    },
    Type { name: "aws_alb", depth: Depth::Real, arguments: LOAD_BALANCER },
    Type { name: "aws_alb_listener", depth: Depth::Real, arguments: LISTENER },
    Type { name: "aws_alb_listener_rule", depth: Depth::Real, arguments: LISTENER_RULE },
    Type { name: "aws_alb_target_group", depth: Depth::Real, arguments: TARGET_GROUP },
    Type { name: "aws_alb_target_group_attachment", depth: Depth::Real, arguments: ATTACHMENT },
    Type {
        name: "aws_cloudwatch_log_group",
        depth: Depth::Real,
        arguments: &["name", "name_prefix", "retention_in_days", "skip_destroy"],
    },
    Type {
        name: "aws_db_instance",
        depth: Depth::Real,
        arguments: &[
            "identifier",
            "identifier_prefix",
            "replicate_source_db",
            "engine",
            "engine_version",
            "username",
            "password",
            "password_wo",
            "password_wo_version",
            "db_name",
            "allocated_storage",
            "instance_class",
            "parameter_group_name",
            "availability_zone",
            "db_subnet_group_name",
            "vpc_security_group_ids",
            "port",
            "deletion_protection",
            "skip_final_snapshot",
            "final_snapshot_identifier",
            "snapshot_identifier",
            "apply_immediately",
            "enabled_cloudwatch_logs_exports",
        ],
    },
    Type {
        name: "aws_db_parameter_group",
        depth: Depth::Real,
        arguments: &["name", "name_prefix", "family", "parameter"],
    },
    Type {
        name: "aws_db_snapshot",
        depth: Depth::Real,
        arguments: &["db_instance_identifier", "db_snapshot_identifier"],
    },
    Type {
        name: "aws_db_subnet_group",
        depth: Depth::Real,
        arguments: &["name", "name_prefix", "subnet_ids"],
    },
    Type {
        name: "aws_default_route_table",
        depth: Depth::Real,
        arguments: &["default_route_table_id", "route"],
    },
    Type {
        name: "aws_default_security_group",
        depth: Depth::Real,
        arguments: &["vpc_id", "ingress", "egress"],
    },
    Type { name: "aws_ecs_cluster", depth: Depth::Stored, arguments: &[] },
    Type {
        name: "aws_ecs_service",
        depth: Depth::Real,
        arguments: &[
            "name",
            "cluster",
            "task_definition",
            "desired_count",
            "deployment_minimum_healthy_percent",
            "deployment_maximum_percent",
            "health_check_grace_period_seconds",
            "network_configuration",
            "load_balancer",
            "deployment_circuit_breaker",
            "wait_for_steady_state",
            "launch_type",
            "capacity_provider_strategy",
            "deployment_controller",
            "scheduling_strategy",
        ],
    },
    Type {
        name: "aws_ecs_task_definition",
        depth: Depth::Real,
        arguments: &[
            "family",
            "requires_compatibilities",
            "network_mode",
            "cpu",
            "memory",
            "container_definitions",
        ],
    },
    Type { name: "aws_eip", depth: Depth::Real, arguments: &["domain"] },
    Type { name: "aws_iam_policy", depth: Depth::Stored, arguments: &[] },
    Type { name: "aws_iam_role", depth: Depth::Stored, arguments: &[] },
    Type { name: "aws_iam_role_policy", depth: Depth::Stored, arguments: &[] },
    Type { name: "aws_iam_role_policy_attachment", depth: Depth::Stored, arguments: &[] },
    Type { name: "aws_internet_gateway", depth: Depth::Real, arguments: &["vpc_id"] },
    Type {
        name: "aws_internet_gateway_attachment",
        depth: Depth::Real,
        arguments: &["internet_gateway_id", "vpc_id"],
    },
    Type { name: "aws_kms_alias", depth: Depth::Stored, arguments: &[] },
    Type { name: "aws_kms_key", depth: Depth::Stored, arguments: &[] },
    Type { name: "aws_lb", depth: Depth::Real, arguments: LOAD_BALANCER },
    Type { name: "aws_lb_listener", depth: Depth::Real, arguments: LISTENER },
    Type { name: "aws_lb_listener_rule", depth: Depth::Real, arguments: LISTENER_RULE },
    Type { name: "aws_lb_target_group", depth: Depth::Real, arguments: TARGET_GROUP },
    Type { name: "aws_lb_target_group_attachment", depth: Depth::Real, arguments: ATTACHMENT },
    Type {
        name: "aws_main_route_table_association",
        depth: Depth::Real,
        arguments: &["vpc_id", "route_table_id"],
    },
    Type {
        name: "aws_nat_gateway",
        depth: Depth::Real,
        arguments: &["allocation_id", "subnet_id", "connectivity_type"],
    },
    Type {
        name: "aws_route",
        depth: Depth::Real,
        arguments: &[
            "route_table_id",
            "destination_cidr_block",
            "gateway_id",
            "nat_gateway_id",
            "network_interface_id",
        ],
    },
    Type {
        name: "aws_route53_record",
        depth: Depth::Real,
        arguments: &["zone_id", "name", "type", "ttl", "records", "alias"],
    },
    Type {
        name: "aws_route53_zone",
        depth: Depth::Real,
        arguments: &["name", "vpc", "comment", "force_destroy"],
    },
    Type { name: "aws_route_table", depth: Depth::Real, arguments: &["vpc_id", "route"] },
    Type {
        name: "aws_route_table_association",
        depth: Depth::Real,
        arguments: &["subnet_id", "route_table_id"],
    },
    Type { name: "aws_secretsmanager_secret", depth: Depth::Stored, arguments: &[] },
    Type { name: "aws_secretsmanager_secret_version", depth: Depth::Stored, arguments: &[] },
    Type {
        name: "aws_security_group",
        depth: Depth::Real,
        arguments: &["name", "name_prefix", "description", "vpc_id", "ingress", "egress"],
    },
    Type {
        name: "aws_security_group_rule",
        depth: Depth::Real,
        arguments: &[
            "security_group_id",
            "type",
            "protocol",
            "from_port",
            "to_port",
            "cidr_blocks",
            "source_security_group_id",
            "self",
            "description",
        ],
    },
    Type { name: "aws_ssm_parameter", depth: Depth::Stored, arguments: &[] },
    Type {
        name: "aws_subnet",
        depth: Depth::Real,
        arguments: &["vpc_id", "cidr_block", "availability_zone"],
    },
    Type { name: "aws_vpc", depth: Depth::Real, arguments: &["cidr_block", "enable_dns_support"] },
    Type { name: "aws_vpc_security_group_egress_rule", depth: Depth::Real, arguments: RULE },
    Type { name: "aws_vpc_security_group_ingress_rule", depth: Depth::Real, arguments: RULE },
];

/// Arguments that change nothing anywhere, and so need no word here.
const HARMLESS: &[&str] = &["id", "region", "tags", "tags_all", "timeouts"];

fn of_name(type_name: &str) -> Option<&'static Type> {
    TYPES.binary_search_by_key(&type_name, |known| known.name).ok().map(|found| &TYPES[found])
}

/// The arguments of a configuration that are recorded, not modelled: set, and without an effect here.
pub fn not_modelled(type_name: &str, config: &Value) -> Vec<String> {
    let Some(known) = of_name(type_name).filter(|known| known.depth == Depth::Real) else {
        return Vec::new();
    };
    let says_nothing = |value: &Value| {
        value.is_null()
            || value.as_bool() == Some(false)
            || value.as_str() == Some("")
            || *value == Value::List(Vec::new())
    };
    let entries = config.entries().into_iter().flatten();
    let set = entries.filter(|(name, value)| {
        !known.arguments.contains(&name.as_str())
            && !HARMLESS.contains(&name.as_str())
            && !says_nothing(value)
    });
    let mut names: Vec<String> = set.map(|(name, _)| name.clone()).collect();
    let definitions = config.get("container_definitions").as_str().unwrap_or_default();
    let fields = tasks::not_modelled(definitions);
    names.extend(fields.into_iter().map(|field| format!("container_definitions: {field}")));
    names.extend(values::recorded(type_name, config));
    names
}

/// How far a type is made real.
pub fn depth(type_name: &str) -> Depth {
    of_name(type_name).map_or(Depth::Recorded, |known| known.depth)
}

/// Puts what only the lab knows into the state of a new or changed resource.
pub fn complete(draft: &mut Draft, change: &Change, state: &mut Value) -> Result<(), AllocationError> {
    let region = &change.place.region;
    let is_new = change.prior.is_null();
    match change.schema.name.as_str() {
        "aws_eip" if is_new => {
            let address = free_public_address(draft, region, "an elastic address")?;
            state.set("public_ip", address.to_string().into());
            let [a, b, c, d] = address.octets();
            state.set("public_dns", format!("ec2-{a}-{b}-{c}-{d}.{region}.compute.amazonaws.com").into());
        }
        "aws_db_instance" if is_new => {
            databases::complete_new(&draft.contents, region, &change.config, state);
        }
        "aws_db_snapshot" if is_new => databases::complete_snapshot(&draft.contents, region, state),
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
mod tests;
