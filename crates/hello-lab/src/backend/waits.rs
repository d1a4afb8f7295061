//! Which parts an apply waits for.

use crate::{
    board::part::{DNS, NETWORK, database, load_balancer, service, snapshot},
    timeouts,
    world::Resource,
};
use std::time::Duration;
use terraform_provider_aws::value::Value;

/// Something that an apply waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// The part on the board.
    pub(super) part: String,
    /// Until it is gone, and not until it is ready.
    pub(super) gone: bool,
    /// For how long.
    pub(super) limit: Duration,
}

fn ready(part: impl Into<String>, limit: Duration) -> Wait {
    Wait { part: part.into(), gone: false, limit }
}

/// Is a change of this type a change of the network?
pub(super) fn is_network(type_name: &str) -> bool {
    const TYPES: &[&str] = &[
        "aws_vpc",
        "aws_subnet",
        "aws_internet_gateway",
        "aws_internet_gateway_attachment",
        "aws_nat_gateway",
        "aws_eip",
        "aws_route",
        "aws_route_table",
        "aws_route_table_association",
        "aws_default_route_table",
        "aws_main_route_table_association",
        "aws_security_group",
        "aws_default_security_group",
        "aws_security_group_rule",
        "aws_vpc_security_group_ingress_rule",
        "aws_vpc_security_group_egress_rule",
    ];
    TYPES.contains(&type_name)
}

/// After a resource was made or changed.
pub(super) fn after_change(type_name: &str, region: &str, state: &Value) -> Vec<Wait> {
    let text = |name: &str| state.get(name).as_str().unwrap_or_default();
    match type_name {
        "aws_db_instance" => vec![ready(database(region, text("identifier")), timeouts::DATABASE_READY)],
        "aws_db_snapshot" => {
            vec![ready(snapshot(region, text("db_snapshot_identifier")), timeouts::DATABASE_COPY)]
        }
        "aws_lb" | "aws_alb" => vec![
            ready(NETWORK, timeouts::PART_READY),
            ready(load_balancer(region, text("name")), timeouts::PART_READY),
        ],
        "aws_ecs_service" if state.get("wait_for_steady_state").as_bool() == Some(true) => {
            vec![ready(service(region, state), timeouts::SERVICE_STEADY)]
        }
        "aws_route53_record" | "aws_route53_zone" => vec![ready(DNS, timeouts::PART_READY)],
        _ if is_network(type_name) => vec![ready(NETWORK, timeouts::PART_READY)],
        _ => Vec::new(),
    }
}

/// After a resource was marked and before it is forgotten: its parts end first.
pub(super) fn before_removal(resource: &Resource) -> Vec<Wait> {
    let gone = |part: String| Wait { part, gone: true, limit: timeouts::PART_GONE };
    match resource.type_name.as_str() {
        "aws_db_instance" => vec![gone(database(&resource.region, resource.text("identifier")))],
        "aws_db_snapshot" => vec![gone(snapshot(&resource.region, resource.text("db_snapshot_identifier")))],
        "aws_lb" | "aws_alb" => vec![gone(load_balancer(&resource.region, resource.text("name")))],
        "aws_ecs_service" => vec![gone(service(&resource.region, &resource.state))],
        _ => Vec::new(),
    }
}

/// Is a resource of this type that cannot be made refused by AWS when it is asked for, so that nothing of it remains?
pub(super) fn is_refused_at_once(type_name: &str) -> bool {
    ["aws_db_instance", "aws_db_snapshot"].contains(&type_name)
}

/// After a resource was forgotten.
pub(super) fn after_removal(type_name: &str) -> Vec<Wait> {
    if is_network(type_name) { vec![ready(NETWORK, timeouts::PART_READY)] } else { Vec::new() }
}
