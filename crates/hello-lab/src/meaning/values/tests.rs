use super::super::fixture::{Known, resource};
use super::*;

/// Attributes of a configuration.
type Attributes<'a> = &'a [(&'a str, Value)];

fn config(attributes: Attributes<'_>) -> Value {
    Value::object(attributes.iter().map(|(name, value)| (*name, value.clone())))
}

fn block(attributes: Attributes<'_>) -> Value {
    Value::List(vec![config(attributes)])
}

#[test]
fn a_value_that_the_lab_would_make_something_else_of_is_refused() {
    let awsvpc = ("network_configuration", block(&[]));
    let weighted = block(&[("target_group", Value::List(vec![config(&[]), config(&[])]))]);
    let rows: &[(&str, Attributes<'_>, &str)] = &[
        ("aws_lb", &[("load_balancer_type", "network".into())], "load_balancer_type = \"network\""),
        ("aws_alb", &[("load_balancer_type", "gateway".into())], "load_balancer_type = \"gateway\""),
        ("aws_lb_target_group", &[("target_type", "lambda".into())], "target_type = \"lambda\""),
        ("aws_lb_target_group", &[("protocol", "HTTPS".into())], "protocol = \"HTTPS\""),
        (
            "aws_lb_target_group",
            &[("health_check", block(&[("protocol", "TCP".into())]))],
            "health_check.protocol = \"TCP\"",
        ),
        (
            "aws_lb_target_group",
            &[("health_check", block(&[("enabled", false.into())]))],
            "health_check.enabled",
        ),
        ("aws_lb_listener", &[("protocol", "TLS".into())], "protocol = \"TLS\""),
        (
            "aws_lb_listener",
            &[("default_action", block(&[("type", "authenticate-oidc".into())]))],
            "default_action.type = \"authenticate-oidc\"",
        ),
        (
            "aws_lb_listener_rule",
            &[("action", block(&[("type", "forward".into()), ("forward", weighted)]))],
            "several target groups",
        ),
        (
            "aws_lb_listener_rule",
            &[("condition", block(&[("host_header", block(&[("regex_values", Value::strings(["^a"]))]))]))],
            "condition.host_header.regex_values",
        ),
        ("aws_ecs_service", &[awsvpc.clone(), ("launch_type", "EC2".into())], "launch_type = \"EC2\""),
        (
            "aws_ecs_service",
            &[
                awsvpc.clone(),
                ("capacity_provider_strategy", block(&[("capacity_provider", "machines".into())])),
            ],
            "capacity_provider = \"machines\"",
        ),
        ("aws_ecs_service", &[awsvpc, ("scheduling_strategy", "DAEMON".into())], "\"DAEMON\""),
        ("aws_ecs_service", &[], "network_configuration is left out"),
        ("aws_ecs_task_definition", &[], "network_mode = \"bridge\""),
        (
            "aws_ecs_task_definition",
            &[
                ("network_mode", "awsvpc".into()),
                ("requires_compatibilities", Value::strings(["EC2", "EXTERNAL"])),
            ],
            "[EC2, EXTERNAL]",
        ),
        ("aws_acm_certificate", &[("private_key", "a key".into())], "imports none"),
        ("aws_db_instance", &[("engine", "mysql".into())], "engine = \"mysql\""),
        ("aws_eip", &[("domain", "standard".into())], "domain = \"standard\""),
        (
            "aws_security_group",
            &[("ingress", block(&[("protocol", "50".into())]))],
            "ingress.protocol = \"50\"",
        ),
        ("aws_security_group_rule", &[("protocol", "icmpv6".into())], "protocol = \"icmpv6\""),
        ("aws_vpc_security_group_egress_rule", &[("ip_protocol", "47".into())], "ip_protocol = \"47\""),
    ];
    for (type_name, attributes, part) in rows {
        let sentences = refused(type_name, &config(attributes));
        assert!(
            matches!(sentences.as_slice(), [one] if one.contains(part)),
            "{type_name} {attributes:?} is refused with {sentences:?}"
        );
    }
}

#[test]
fn what_is_not_known_yet_and_what_is_modelled_passes() {
    let rows: &[(&str, Attributes<'_>)] = &[
        ("aws_lb", &[("load_balancer_type", Value::UNKNOWN)]),
        ("aws_lb", &[]),
        ("aws_lb_target_group", &[("target_type", "ip".into()), ("protocol", "http".into())]),
        ("aws_lb_listener", &[("default_action", Value::UNKNOWN), ("protocol", "HTTPS".into())]),
        ("aws_ecs_service", &[("network_configuration", Value::UNKNOWN)]),
        (
            "aws_ecs_task_definition",
            &[("network_mode", "awsvpc".into()), ("requires_compatibilities", Value::UNKNOWN)],
        ),
        ("aws_security_group_rule", &[("protocol", "TCP".into())]),
        ("aws_acm_certificate", &[("private_key", Value::Null)]),
    ];
    for (type_name, attributes) in rows {
        assert_eq!(refused(type_name, &config(attributes)), [""; 0], "{type_name} {attributes:?}");
    }
}

#[test]
fn a_value_without_an_effect_is_named() {
    let rows: &[(&str, Attributes<'_>, &[&str])] = &[
        ("aws_lb_target_group", &[], &["target_type"]),
        (
            "aws_lb_target_group",
            &[
                ("target_type", "ip".into()),
                (
                    "target_group_health",
                    block(&[
                        ("dns_failover", block(&[])),
                        (
                            "unhealthy_state_routing",
                            block(&[("minimum_healthy_targets_percentage", "50".into())]),
                        ),
                    ]),
                ),
            ],
            &[
                "target_group_health.dns_failover",
                "target_group_health.unhealthy_state_routing.minimum_healthy_targets_percentage",
            ],
        ),
        ("aws_lb_target_group_attachment", &[("target_id", "i-1".into())], &["target_id"]),
        ("aws_lb_target_group_attachment", &[("target_id", "10.0.0.4".into())], &[]),
        (
            "aws_ecs_service",
            &[("capacity_provider_strategy", block(&[("capacity_provider", "FARGATE_SPOT".into())]))],
            &["capacity_provider_strategy: FARGATE_SPOT"],
        ),
        ("aws_acm_certificate", &[("validation_method", "EMAIL".into())], &["validation_method"]),
        (
            "aws_security_group",
            &[(
                "ingress",
                block(&[
                    ("protocol", "tcp".into()),
                    ("self", false.into()),
                    ("prefix_list_ids", Value::strings(["pl-1"])),
                ]),
            )],
            &["ingress.prefix_list_ids"],
        ),
        (
            "aws_route_table",
            &[(
                "route",
                block(&[("cidr_block", "10.1.0.0/16".into()), ("transit_gateway_id", "tgw-1".into())]),
            )],
            &["route.transit_gateway_id"],
        ),
    ];
    for (type_name, attributes, names) in rows {
        assert_eq!(recorded(type_name, &config(attributes)), *names, "{type_name} {attributes:?}");
    }
}

#[test]
fn a_change_that_waits_for_the_window_on_aws_is_told() {
    let prior = config(&[("allocated_storage", 20.into()), ("instance_class", "db.t4g.micro".into())]);
    let larger = [("allocated_storage", Value::from(40)), ("instance_class", "db.t4g.micro".into())];
    let said = sooner("aws_db_instance", &prior, &config(&larger)).unwrap();
    assert!(said.contains("allocated_storage") && !said.contains("instance_class"), "{said}");
    let at_once = [larger.as_slice(), &[("apply_immediately", true.into())]].concat();
    assert_eq!(sooner("aws_db_instance", &prior, &config(&at_once)), None);
    assert_eq!(sooner("aws_db_instance", &Value::Null, &config(&larger)), None, "it is new");
    assert_eq!(sooner("aws_db_instance", &prior, &prior), None, "nothing changes");
}

#[test]
fn a_database_that_rds_refuses_or_the_lab_cannot_reach_is_refused() {
    let known = Known::of(Vec::new());
    let source = Resource {
        region: "eu-central-1".to_owned(),
        ..resource(
            "aws_db_instance",
            &[("id", "db-1".into()), ("identifier", "source".into()), ("arn", "arn:1".into())],
        )
    };
    known.put(source);
    let said = |attributes: Attributes<'_>| {
        contradiction(&known.contents(), &resource("aws_db_instance", attributes)).unwrap_or_default()
    };
    assert!(
        said(&[("replicate_source_db", "arn:1".into())]).contains("its source source is in eu-central-1")
    );
    assert!(said(&[("username", "RdsAdmin".into())]).contains("choose another username"));
    assert_eq!(said(&[("username", "owner".into())]), "");
}

#[test]
fn a_port_or_a_priority_is_taken_once() {
    let known = Known::of(Vec::new());
    let rule = |id: &str, listener: &str, priority: i64| {
        let attributes = [
            ("id", Value::from(id)),
            ("arn", id.into()),
            ("listener_arn", listener.into()),
            ("priority", priority.into()),
        ];
        resource("aws_lb_listener_rule", &attributes)
    };
    known.put(rule("one", "https", 10));
    let taken = |rule: Resource| {
        load_balancers::occupied(&known.contents(), &rule, "listener_arn", "priority").is_some()
    };
    assert!(taken(rule("two", "https", 10)));
    assert!(!taken(rule("two", "https", 11)) && !taken(rule("two", "http", 10)));
    assert!(!taken(rule("one", "https", 10)), "it is itself");
}
