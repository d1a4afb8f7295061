use super::*;
use crate::{facts, schema::Catalogue};

fn read_as(type_name: &str, id: &str) -> Result<Value, Diagnostic> {
    let schema = Catalogue::aws().resource(type_name).unwrap();
    read(&schema, facts::of_type(type_name).as_deref(), id)
}

/// Texts by attribute.
type Said = &'static [(&'static str, &'static str)];

/// A type, an id as its documentation shows it, and what it says.
const IDS: &[(&str, &str, Said)] = &[
    ("aws_vpc", "vpc-a01106c2", &[("id", "vpc-a01106c2")]),
    (
        "aws_route",
        "rtb-656C65616E6F72_10.42.0.0/16",
        &[("route_table_id", "rtb-656C65616E6F72"), ("destination_cidr_block", "10.42.0.0/16")],
    ),
    (
        "aws_route",
        "rtb-656C65616E6F72_2620:0:2d0:200::8/125",
        &[("route_table_id", "rtb-656C65616E6F72"), ("destination_ipv6_cidr_block", "2620:0:2d0:200::8/125")],
    ),
    (
        "aws_route",
        "rtb-656C65616E6F72_pl-0570a1d2d725c16be",
        &[("route_table_id", "rtb-656C65616E6F72"), ("destination_prefix_list_id", "pl-0570a1d2d725c16be")],
    ),
    (
        "aws_route_table_association",
        "subnet-6777656e646f6c796e/rtb-656c65616e6f72",
        &[("subnet_id", "subnet-6777656e646f6c796e"), ("route_table_id", "rtb-656c65616e6f72")],
    ),
    (
        "aws_route_table_association",
        "igw-01b3a60780f8d034a/rtb-656c65616e6f72",
        &[("gateway_id", "igw-01b3a60780f8d034a"), ("route_table_id", "rtb-656c65616e6f72")],
    ),
    ("aws_ecs_cluster", "stateless-app", &[("name", "stateless-app")]),
    (
        "aws_ecs_service",
        "cluster-name/service-name",
        &[("cluster", "cluster-name"), ("name", "service-name")],
    ),
    (
        "aws_iam_role_policy_attachment",
        "test-role/arn:aws:iam::123456789012:policy/test-policy",
        &[("role", "test-role"), ("policy_arn", "arn:aws:iam::123456789012:policy/test-policy")],
    ),
    (
        "aws_iam_role_policy",
        "role_of_mypolicy_name:mypolicy_name",
        &[("role", "role_of_mypolicy_name"), ("name", "mypolicy_name")],
    ),
    (
        "aws_route53_record",
        "Z4KAPRWWNC7JR_dev.example.com_NS_dev",
        &[
            ("zone_id", "Z4KAPRWWNC7JR"),
            ("name", "dev.example.com"),
            ("type", "NS"),
            ("set_identifier", "dev"),
        ],
    ),
    (
        "aws_route53_record",
        "Z4KAPRWWNC7JR__acme_challenge.example.com_TXT",
        &[("zone_id", "Z4KAPRWWNC7JR"), ("name", "_acme_challenge.example.com"), ("type", "TXT")],
    ),
    (
        "aws_appautoscaling_target",
        "ecs/service/main/app/ecs:service:DesiredCount",
        &[
            ("service_namespace", "ecs"),
            ("resource_id", "service/main/app"),
            ("scalable_dimension", "ecs:service:DesiredCount"),
        ],
    ),
    (
        "aws_appautoscaling_policy",
        "dynamodb/table/tableName/dynamodb:table:ReadCapacityUnits/scale/down",
        &[
            ("service_namespace", "dynamodb"),
            ("resource_id", "table/tableName"),
            ("scalable_dimension", "dynamodb:table:ReadCapacityUnits"),
            ("name", "scale/down"),
        ],
    ),
    (
        "aws_cloudwatch_event_target",
        "rule-name/target-id",
        &[("event_bus_name", "default"), ("rule", "rule-name"), ("target_id", "target-id")],
    ),
    (
        "aws_cloudwatch_event_target",
        "arn:aws:events:eu-west-1:123456789012:event-bus/own/rule-name/target-id",
        &[
            ("event_bus_name", "arn:aws:events:eu-west-1:123456789012:event-bus/own"),
            ("rule", "rule-name"),
            ("target_id", "target-id"),
        ],
    ),
    (
        "aws_lambda_permission",
        "my_function:live/AllowExecution",
        &[("function_name", "my_function"), ("qualifier", "live"), ("statement_id", "AllowExecution")],
    ),
    ("aws_s3_object", "s3://some-bucket/some/key.txt", &[("bucket", "some-bucket"), ("key", "some/key.txt")]),
    ("aws_s3_object", "some-bucket/some/key.txt", &[("bucket", "some-bucket"), ("key", "some/key.txt")]),
    (
        "aws_kms_grant",
        "arn:aws:kms:eu-west-1:123456789012:key/1234abcd:abcde1237a76e4ba7987489ac329fbfba6ad343d",
        &[
            ("key_id", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"),
            ("grant_id", "abcde1237a76e4ba7987489ac329fbfba6ad343d"),
        ],
    ),
    (
        "aws_cloudwatch_query_definition",
        "arn:aws:logs:us-west-2:123456789012:query-definition:269951d7-6f75-496d-9d7b-6b7a5486bdbd",
        &[("id", "269951d7-6f75-496d-9d7b-6b7a5486bdbd")],
    ),
    ("aws_db_instance", "mydb-rds-instance", &[("identifier", "mydb-rds-instance")]),
];

#[test]
fn ids_say_what_the_documentation_says_of_them() {
    for (type_name, id, expected) in IDS {
        let found = read_as(type_name, id).unwrap_or_else(|refusal| panic!("{type_name} {id}: {refusal:?}"));
        let expected = Value::object(expected.iter().map(|(name, value)| (*name, Value::from(*value))));
        assert_eq!(found, expected, "{type_name} {id}");
    }
}

/// A form with a part that says nothing cannot be written.
fn is_written_back(facts: Option<&TypeFacts>) -> bool {
    facts.and_then(|facts| facts.import.as_ref()).is_none_or(|import| !import.id[0].contains("{*}"))
}

#[test]
fn every_example_id_is_written_back() {
    for (type_name, id, _) in IDS {
        let schema = Catalogue::aws().resource(type_name).unwrap();
        let facts = facts::of_type(type_name);
        if !is_written_back(facts.as_deref()) {
            continue;
        }
        let written = id_of(&schema, facts.as_deref(), &read_as(type_name, id).unwrap()).unwrap();
        assert_eq!(
            read_as(type_name, &written).unwrap(),
            read_as(type_name, id).unwrap(),
            "{type_name} {id}"
        );
    }
}

#[test]
fn numbers_truth_values_and_sets_are_read_too() {
    let rule = read_as("aws_network_acl_rule", "acl-7aaabd18:100:tcp:true").unwrap();
    assert_eq!(rule.get("rule_number").as_i64(), Some(100));
    assert_eq!(rule.get("egress").as_bool(), Some(true));
    let membership = read_as("aws_iam_user_group_membership", "user1/group1/group2").unwrap();
    assert_eq!(membership.get("groups").texts(), ["group1", "group2"]);
}

#[test]
fn a_rule_of_a_security_group_names_each_kind_of_source() {
    let id = "sg-1_ingress_tcp_100_121_10.1.0.0/16_2001:db8::/48_pl-34800000_sg-2_self";
    let rule = read_as("aws_security_group_rule", id).unwrap();
    assert_eq!(rule.get("cidr_blocks").texts(), ["10.1.0.0/16"]);
    assert_eq!(rule.get("ipv6_cidr_blocks").texts(), ["2001:db8::/48"]);
    assert_eq!(rule.get("prefix_list_ids").texts(), ["pl-34800000"]);
    assert_eq!(rule.get("source_security_group_id").as_str(), Some("sg-2"));
    assert_eq!(rule.get("self").as_bool(), Some(true));
    for (id, cause) in [
        ("sg-1_ingress_tcp_80_80", "too few parts"),
        ("x-1_ingress_tcp_80_80_self", "invalid Security Group ID"),
        ("sg-1_inward_tcp_80_80_self", "expecting 'ingress' or 'egress'"),
        ("sg-1_ingress_ip_80_80_self", "protocol must be"),
        ("sg-1_ingress_tcp_80_79_self", "to_port lower than from_port"),
        ("sg-1_ingress_tcp_80_80_somewhere", "source must be cidr"),
    ] {
        let refusal = read_as("aws_security_group_rule", id).unwrap_err();
        assert!(refusal.summary.contains(cause), "{id}: {refusal:?}");
    }
}

#[test]
fn ids_of_another_form_are_refused_with_the_form() {
    for (type_name, id, sentence) in [
        ("aws_route", "rtb-1", "unexpected format of ID (\"rtb-1\"), expected ROUTETABLEID_DESTINATION"),
        ("aws_ecs_service", "service", "expected cluster-name/service-name"),
        ("aws_route53_record", "Z1_www_NOTHING", "expected ZONEID_RECORDNAME_TYPE_SET-IDENTIFIER"),
        (
            "aws_network_acl_rule",
            "acl-1:first:tcp:true",
            "expected NETWORK_ACL_ID:RULE_NUMBER:PROTOCOL:EGRESS",
        ),
        (
            "aws_lb_target_group_attachment",
            "a",
            "resource aws_lb_target_group_attachment doesn't support import",
        ),
        ("aws_vpc", "", "has 1 to 4096 bytes"),
    ] {
        let refusal = read_as(type_name, id).unwrap_err();
        assert!(refusal.summary.contains(sentence), "{type_name} {id}: {refusal:?}");
    }
}

#[test]
fn an_id_of_many_separators_is_answered_quickly() {
    let many = "a_".repeat(2_000);
    assert!(read_as("aws_route53_record", &many).is_err());
    assert!(read_as("aws_appautoscaling_policy", &"a/".repeat(2_000)).is_err());
}
