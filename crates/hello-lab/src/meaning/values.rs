//! Values that are not modelled, of arguments that are: refused where the lab would make something else of them,
//! recorded where it makes the rest.
//!
//! What is not known yet passes while it is planned; an apply looks again.

use super::{databases, load_balancers, rules};
use crate::world::{Contents, Resource};
use terraform_provider_aws::value::Value;

/// Why a configuration cannot be made real, a sentence for each value; empty where it can.
pub fn refused(type_name: &str, config: &Value) -> Vec<String> {
    let mut refused = Vec::new();
    let mut only = |argument: &str, value: &Value, default: &str, modelled: &[&str]| {
        if let Some(text) = other(value, default, modelled) {
            let modelled = modelled.join(" and ");
            refused.push(format!("{argument} = {text:?} is not modelled; the lab has {modelled} only"));
        }
    };
    match type_name {
        "aws_lb" | "aws_alb" => {
            only("load_balancer_type", config.get("load_balancer_type"), "application", &["application"]);
        }
        "aws_lb_target_group" | "aws_alb_target_group" => {
            only("target_type", config.get("target_type"), "ip", &["ip", "instance"]);
            only("protocol", config.get("protocol"), "HTTP", &["HTTP"]);
            let check = config.get("health_check").only();
            only("health_check.protocol", check.get("protocol"), "HTTP", &["HTTP"]);
            if check.get("enabled").as_bool() == Some(false) {
                // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
                refused.push(
                    "health_check.enabled = false is for Lambda targets; checks of others are always on"
                        .to_owned(),
                );
            }
        }
        "aws_lb_listener" | "aws_alb_listener" => {
            only("protocol", config.get("protocol"), "HTTP", &["HTTP", "HTTPS"]);
            refused.extend(actions("default_action", config.get("default_action")));
        }
        "aws_lb_listener_rule" | "aws_alb_listener_rule" => {
            refused.extend(actions("action", config.get("action")));
            for condition in config.get("condition").items() {
                for (kind, block) in condition.entries().into_iter().flatten() {
                    if !block.only().get("regex_values").items().is_empty() {
                        refused.push(format!(
                            "condition.{kind}.regex_values are not modelled; the lab has values only"
                        ));
                    }
                }
            }
        }
        "aws_ecs_service" => {
            only("launch_type", config.get("launch_type"), "FARGATE", &["FARGATE"]);
            for provider in config.get("capacity_provider_strategy").items() {
                let provider = provider.get("capacity_provider");
                let modelled = ["FARGATE", "FARGATE_SPOT"];
                only("capacity_provider_strategy.capacity_provider", provider, "FARGATE", &modelled);
            }
            let deployments = config.get("deployment_controller").only().get("type");
            only("deployment_controller.type", deployments, "ECS", &["ECS"]);
            only("scheduling_strategy", config.get("scheduling_strategy"), "REPLICA", &["REPLICA"]);
            if is_left_out(config.get("network_configuration")) {
                // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
                refused.push("network_configuration is left out, and tasks of awsvpc need it".to_owned());
            }
        }
        "aws_ecs_task_definition" => {
            // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
            only("network_mode", config.get("network_mode"), "bridge", &["awsvpc"]);
            let wanted = config.get("requires_compatibilities");
            let names = wanted.texts();
            if wanted.is_wholly_known() && !names.is_empty() && !names.contains(&"FARGATE") {
                let names = names.join(", ");
                refused.push(format!(
                    "requires_compatibilities = [{names}] is not modelled; the lab has FARGATE only"
                ));
            }
        }
        "aws_acm_certificate" => {
            for name in ["private_key", "private_key_wo", "certificate_body"] {
                if !config.get(name).is_null() {
                    refused.push(format!(
                        "{name} is not modelled: the lab issues certificates and imports none"
                    ));
                }
            }
        }
        "aws_db_instance" => only("engine", config.get("engine"), "postgres", &["postgres"]),
        "aws_eip" => only("domain", config.get("domain"), "vpc", &["vpc"]),
        "aws_security_group" | "aws_default_security_group" => {
            for direction in ["ingress", "egress"] {
                for rule in config.get(direction).items() {
                    refused.extend(protocol(&format!("{direction}.protocol"), rule.get("protocol")));
                }
            }
        }
        "aws_security_group_rule" => refused.extend(protocol("protocol", config.get("protocol"))),
        "aws_vpc_security_group_ingress_rule" | "aws_vpc_security_group_egress_rule" => {
            refused.extend(protocol("ip_protocol", config.get("ip_protocol")));
        }
        _ => {}
    }
    refused
}

/// Values that are set and have no effect here, as `plan` names them.
pub fn recorded(type_name: &str, config: &Value) -> Vec<String> {
    let mut recorded = Vec::new();
    match type_name {
        "aws_lb_target_group" | "aws_alb_target_group" => {
            // Its targets would be instances, of which none runs here.
            if other(config.get("target_type"), "instance", &["ip"]).is_some() {
                recorded.push("target_type".to_owned());
            }
            let health = config.get("target_group_health").only();
            if !health.get("dns_failover").items().is_empty() {
                recorded.push("target_group_health.dns_failover".to_owned());
            }
            let routing = health.get("unhealthy_state_routing").only();
            if other(routing.get("minimum_healthy_targets_percentage"), "off", &["off"]).is_some() {
                recorded.push(
                    "target_group_health.unhealthy_state_routing.minimum_healthy_targets_percentage"
                        .to_owned(),
                );
            }
        }
        "aws_lb_target_group_attachment" | "aws_alb_target_group_attachment" => {
            let target = config.get("target_id").as_str();
            if target.is_some_and(|target| target.parse::<std::net::Ipv4Addr>().is_err()) {
                recorded.push("target_id".to_owned());
            }
        }
        "aws_ecs_service" => {
            let providers = config.get("capacity_provider_strategy").items().iter();
            if providers
                .clone()
                .any(|provider| provider.get("capacity_provider").as_str() == Some("FARGATE_SPOT"))
            {
                recorded.push("capacity_provider_strategy: FARGATE_SPOT".to_owned());
            }
            let groups = config.get("load_balancer").items().iter();
            for name in ["elb_name", "advanced_configuration"] {
                if groups.clone().any(|block| says_something(block.get(name))) {
                    recorded.push(format!("load_balancer.{name}"));
                }
            }
        }
        "aws_acm_certificate" => {
            let other = other(config.get("validation_method"), "DNS", &["DNS"]);
            recorded.extend(other.map(|_| "validation_method".to_owned()));
        }
        "aws_security_group" | "aws_default_security_group" => {
            const MODELLED: &[&str] = &[
                "protocol",
                "from_port",
                "to_port",
                "cidr_blocks",
                "security_groups",
                "self",
                "description",
            ];
            recorded.extend(fields(config, "ingress", MODELLED));
            recorded.extend(fields(config, "egress", MODELLED));
        }
        "aws_route_table" | "aws_default_route_table" => {
            const MODELLED: &[&str] = &["cidr_block", "gateway_id", "nat_gateway_id", "network_interface_id"];
            recorded.extend(fields(config, "route", MODELLED));
        }
        _ => {}
    }
    recorded
}

/// What a change of a resource does here and not on AWS, as sentences.
///
/// The lab has no maintenance windows, so it makes every change at once; without `apply_immediately` RDS lets these wait
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>).
pub fn sooner(type_name: &str, prior: &Value, config: &Value) -> Option<String> {
    const WAITING: [&str; 3] = ["allocated_storage", "engine_version", "instance_class"];
    if type_name != "aws_db_instance"
        || prior.is_null()
        || config.get("apply_immediately").as_bool() == Some(true)
    {
        return None;
    }
    let changed = WAITING.into_iter().filter(|name| {
        let value = config.get(name);
        !value.is_null() && !value.is_unknown() && value != prior.get(name)
    });
    let changed: Vec<&str> = changed.collect();
    let sentence = format!(
        "The lab changes at once what waits for the next maintenance window on AWS, since apply_immediately is not \
         true: {}.",
        changed.join(", ")
    );
    (!changed.is_empty()).then_some(sentence)
}

/// Why a resource, wholly known, does not go with what there is. AWS refuses it at once.
pub fn contradiction(contents: &Contents, resource: &Resource) -> Option<String> {
    match resource.type_name.as_str() {
        "aws_lb_listener" | "aws_alb_listener" => load_balancers::unresolved(contents, resource)
            .or_else(|| load_balancers::occupied(contents, resource, "load_balancer_arn", "port")),
        "aws_lb_listener_rule" | "aws_alb_listener_rule" => {
            load_balancers::unresolved_action(contents, resource.state.get("action").items())
                .or_else(|| load_balancers::occupied(contents, resource, "listener_arn", "priority"))
        }
        "aws_ecs_service" => {
            let groups = resource.state.get("load_balancer").items().iter();
            let mut named = groups.filter_map(|block| block.get("target_group_arn").non_empty());
            named.find_map(|arn| match load_balancers::find_group(contents, arn) {
                None => Some(format!("there is no target group {arn}")),
                // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb.html
                Some(group) if group.text("target_type") != "ip" => Some(format!(
                    "target group {} has the target type {}, and tasks of awsvpc need ip",
                    group.text("name"),
                    group.text("target_type")
                )),
                Some(_) => None,
            })
        }
        "aws_security_group"
        | "aws_security_group_rule"
        | "aws_vpc_security_group_ingress_rule"
        | "aws_vpc_security_group_egress_rule" => rules::contradiction(contents, resource),
        "aws_db_instance" => {
            let source = resource.given("replicate_source_db").non_empty();
            let source = source.and_then(|source| databases::find(contents, &resource.region, source));
            if let Some(source) = source.filter(|source| source.region != resource.region) {
                return Some(format!(
                    "its source {} is in {}, and replicas in another region are not modelled",
                    source.text("identifier"),
                    source.region
                ));
            }
            if resource.text("username").eq_ignore_ascii_case("rdsadmin") {
                // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.html
                return Some(
                    "rdsadmin is the name of the service's own user: choose another username".to_owned(),
                );
            }
            let major = databases::major_version(resource)?;
            let group = databases::parameter_group(contents, resource)?;
            let (family, wanted) = (group.text("family"), format!("postgres{major}"));
            (family != wanted).then(|| {
                format!(
                    "the parameter group {} is of the family {family}, and PostgreSQL {major} needs one of {wanted}",
                    group.text("name")
                )
            })
        }
        _ => None,
    }
}

/// The value, where it is known and none of those that are modelled.
fn other<'a>(value: &'a Value, default: &'a str, modelled: &[&str]) -> Option<&'a str> {
    let text = if value.is_null() { default } else { value.as_str()? };
    (!modelled.iter().any(|known| known.eq_ignore_ascii_case(text))).then_some(text)
}

/// Is a block known not to be there?
fn is_left_out(block: &Value) -> bool {
    block.is_null() || *block == Value::List(Vec::new())
}

fn says_something(value: &Value) -> bool {
    !(value.is_null()
        || value.as_bool() == Some(false)
        || value.as_str() == Some("")
        || *value == Value::List(Vec::new()))
}

/// The fields of blocks that are set and not among the modelled ones.
fn fields(config: &Value, block: &str, modelled: &[&str]) -> Vec<String> {
    let entries = config.get(block).items().iter().filter_map(Value::entries).flatten();
    let set = entries.filter(|(name, value)| !modelled.contains(&name.as_str()) && says_something(value));
    let mut names: Vec<String> = set.map(|(name, _)| format!("{block}.{name}")).collect();
    names.sort();
    names.dedup();
    names
}

/// What a listener does other than to forward to one group, to redirect and to answer by itself. Stickiness between groups
/// needs several of them, on AWS too.
fn actions(argument: &str, actions: &Value) -> Vec<String> {
    let mut refused = Vec::new();
    for action in actions.items() {
        let modelled = ["forward", "redirect", "fixed-response"];
        if let Some(kind) = other(action.get("type"), "forward", &modelled) {
            let modelled = modelled.join(", ");
            refused.push(format!("{argument}.type = {kind:?} is not modelled; the lab has {modelled} only"));
        }
        if action.get("forward").only().get("target_group").items().len() > 1 {
            refused.push(format!(
                "{argument}.forward with several target groups is not modelled; the lab has one without weights"
            ));
        }
    }
    refused
}

/// A protocol of a security group's rule that the lab's filters do not know.
fn protocol(argument: &str, value: &Value) -> Option<String> {
    let modelled = ["-1", "all", "tcp", "6", "udp", "17", "icmp", "1"];
    let text = other(value, "-1", &modelled)?;
    Some(format!("{argument} = {text:?} is not modelled; the lab has tcp, udp, icmp and -1 only"))
}

#[cfg(test)]
mod tests;
