use super::*;
use terraform_provider_aws::schema::Catalogue;

#[test]
fn the_table_is_sorted_and_names_real_types_and_arguments() {
    assert!(TYPES.is_sorted_by_key(|known| known.name));
    let catalogue = Catalogue::aws();
    for known in TYPES {
        let schema = catalogue.resource(known.name).unwrap();
        for argument in known.arguments {
            let block = &schema.block;
            let there = block.attributes.contains_key(*argument) || block.blocks.contains_key(*argument);
            assert!(there, "{} has no {argument}", known.name);
        }
    }
}

#[test]
fn what_is_not_in_the_table_is_recorded() {
    assert_eq!(depth("aws_wafv2_web_acl"), Depth::Recorded);
    assert_eq!(depth("aws_vpc"), Depth::Real);
}

#[test]
fn an_argument_without_an_effect_is_named_where_it_is_set() {
    let config = Value::object([
        ("cidr_block", Value::from("10.0.0.0/16")),
        ("instance_tenancy", "dedicated".into()),
        ("enable_network_address_usage_metrics", false.into()),
        ("tags", Value::Null),
    ]);
    assert_eq!(not_modelled("aws_vpc", &config), ["instance_tenancy"]);
    assert_eq!(not_modelled("aws_wafv2_web_acl", &config), [""; 0]);
}

#[test]
fn a_field_of_a_container_without_an_effect_is_named_too() {
    let containers = r#"[
        {"name": "app", "image": "app", "portMappings": [{"containerPort": 80}], "mountPoints": [], "cpu": 0},
        {"name": "side", "image": "side", "ulimits": [{"name": "nofile"}],
         "linuxParameters": {"initProcessEnabled": true, "capabilities": {"drop": ["ALL"], "add": ["SYS_PTRACE"]}},
         "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "app", "mode": "blocking"}}},
        {"name": "third", "image": "third", "logConfiguration": {"logDriver": "splunk"}}
    ]"#;
    let config = Value::object([("container_definitions", Value::from(containers))]);
    let fields = not_modelled("aws_ecs_task_definition", &config);
    let named = [
        "linuxParameters.capabilities.add",
        "linuxParameters.initProcessEnabled",
        "logConfiguration.logDriver \"splunk\"",
        "logConfiguration.options.mode",
        "ulimits",
    ];
    assert_eq!(fields, named.map(|name| format!("container_definitions: {name}")));
}

/// Which files of the source read the arguments of a type, by how its name ends or begins.
fn readers(type_name: &str) -> &'static [&'static str] {
    match type_name.trim_start_matches("aws_") {
        "acm_certificate" => &["meaning/load_balancers.rs", "meaning/values.rs"],
        "cloudwatch_log_group" => &["controllers/log_groups.rs", "meaning/log_groups.rs"],
        "db_instance" => &[
            "meaning/databases.rs",
            "meaning/interfaces.rs",
            "meaning/values.rs",
            "controllers/databases.rs",
            "backend/refusals.rs",
        ],
        "db_parameter_group" => &["meaning/databases.rs", "meaning/values.rs"],
        "db_snapshot" => &["controllers/snapshots.rs", "meaning/databases.rs"],
        "db_subnet_group" | "nat_gateway" => &["meaning/interfaces.rs"],
        "ecs_service" => &[
            "controllers/services.rs",
            "meaning/interfaces.rs",
            "meaning/load_balancers.rs",
            "meaning/task_definitions.rs",
            "meaning/values.rs",
            "backend/waits.rs",
        ],
        "ecs_task_definition" => &["meaning/tasks.rs", "meaning/values.rs", "backend.rs"],
        "eip" => &["meaning/values.rs"],
        "route53_record" | "route53_zone" => &["meaning/dns.rs"],
        "vpc" | "subnet" | "internet_gateway" | "internet_gateway_attachment" => &["meaning/network.rs"],
        name if name.contains("route") => &["meaning/network.rs", "meaning/catalogue.rs"],
        name if name.contains("security_group") => &["meaning/rules.rs"],
        name if name.starts_with("lb") || name.starts_with("alb") => &[
            "meaning/load_balancers.rs",
            "meaning/interfaces.rs",
            "meaning/values.rs",
            "backend/refusals.rs",
        ],
        name => panic!("nothing says who reads the arguments of {name}"),
    }
}

/// Arguments whose whole effect is not in what a part becomes, and why: `*` is every type.
const READ_BY_NOBODY: &[(&str, &str, &str)] = &[
    ("*", "name_prefix", "the provider makes the name of it"),
    ("*", "identifier_prefix", "the provider makes the identifier of it"),
    ("*", "description", "a text for people, on AWS too"),
    (
        "*",
        "password_wo_version",
        "the backend keeps a write-only value while its version stays, whatever its name",
    ),
    ("aws_acm_certificate_validation", "certificate_arn", "it is there once the certificate is"),
    ("aws_acm_certificate_validation", "validation_record_fqdns", "it is complete at once"),
    ("aws_ecs_service", "cluster", "a cluster of Fargate is a name"),
    ("aws_lb_target_group", "vpc_id", "targets are addresses, which are of one VPC"),
    ("aws_alb_target_group", "vpc_id", "targets are addresses, which are of one VPC"),
    ("aws_nat_gateway", "connectivity_type", "a private gateway is one without an allocation"),
    ("aws_route53_zone", "comment", "a text for people, on AWS too"),
    ("aws_route53_zone", "force_destroy", "a zone has no records that Terraform does not know of"),
    ("aws_security_group", "name", "groups are known by their identifiers"),
];

#[test]
fn every_argument_of_the_table_is_read_where_the_meaning_of_its_type_is() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut unread = Vec::new();
    for known in TYPES.iter().filter(|known| known.depth == Depth::Real) {
        let excused = |argument: &str| {
            READ_BY_NOBODY
                .iter()
                .any(|(type_name, name, _)| ["*", known.name].contains(type_name) && *name == argument)
        };
        if known.arguments.iter().all(|argument| excused(argument)) {
            continue;
        }
        let text: String = readers(known.name)
            .iter()
            .map(|file| {
                let text = std::fs::read_to_string(source.join(file)).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                // The table itself reads nothing.
                code.split("// Some types have two names").next().unwrap_or_default().to_owned()
                    + code.split("/// Arguments that change nothing anywhere").nth(1).unwrap_or_default()
            })
            .collect();
        for argument in known.arguments.iter().filter(|argument| !excused(argument)) {
            if !text.contains(&format!("\"{argument}\"")) {
                unread.push(format!("{}.{argument}", known.name));
            }
        }
    }
    assert_eq!(unread, [""; 0], "claimed to have an effect, and read by nobody");
}
