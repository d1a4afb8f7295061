//! Imports by the ids that the provider's documentation gives, and moves between types.

use crate::harness::Workspace;

/// Resources with import ids of several parts, and a target group whose attachment cannot be imported.
const COMPOSITE: &str = r#"
resource "aws_route_table" "t" {
  vpc_id = "vpc-0123456789abcdef0"
}
resource "aws_route" "r" {
  route_table_id         = aws_route_table.t.id
  destination_cidr_block = "10.9.0.0/16"
  gateway_id             = "igw-0123456789abcdef0"
}
resource "aws_route_table_association" "a" {
  subnet_id      = "subnet-0123456789abcdef0"
  route_table_id = aws_route_table.t.id
}
resource "aws_ecs_service" "s" {
  name            = "app"
  cluster         = "arn:aws:ecs:eu-west-1:123456789012:cluster/main"
  task_definition = "app:1"
}
resource "aws_iam_role_policy_attachment" "p" {
  role       = "task"
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}
resource "aws_route53_record" "w" {
  zone_id        = "Z0123456789"
  name           = "www.example.com"
  type           = "A"
  ttl            = 60
  records        = ["192.0.2.1"]
  set_identifier = "one"
  weighted_routing_policy {
    weight = 1
  }
}
resource "aws_appautoscaling_target" "t" {
  service_namespace  = "ecs"
  resource_id        = "service/main/app"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = 2
  max_capacity       = 4
}
resource "aws_security_group_rule" "r" {
  security_group_id = "sg-0123456789abcdef0"
  type              = "ingress"
  protocol          = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_blocks       = ["10.0.0.0/16", "10.1.0.0/16"]
}
"#;

#[test]
fn resources_are_imported_by_ids_of_several_parts() {
    let workspace = Workspace::new(COMPOSITE);
    workspace.apply(&[]);
    let resources = workspace.state()["resources"].clone();
    let table =
        resources.as_array().unwrap().iter().find(|found| found["type"] == "aws_route_table").unwrap();
    let table = table["instances"][0]["attributes"]["id"].as_str().unwrap().to_owned();
    for (address, id) in [
        ("aws_route.r", format!("{table}_10.9.0.0/16")),
        ("aws_route_table_association.a", format!("subnet-0123456789abcdef0/{table}")),
        ("aws_ecs_service.s", "main/app".to_owned()),
        ("aws_iam_role_policy_attachment.p", "task/arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()),
        ("aws_route53_record.w", "Z0123456789_www.example.com_A_one".to_owned()),
        ("aws_appautoscaling_target.t", "ecs/service/main/app/ecs:service:DesiredCount".to_owned()),
        (
            "aws_security_group_rule.r",
            "sg-0123456789abcdef0_ingress_tcp_80_80_10.1.0.0/16_10.0.0.0/16".to_owned(),
        ),
    ] {
        let (success, text) = workspace.terraform(&["state", "rm", address]);
        assert!(success, "{text}");
        let (success, text) = workspace.terraform(&["import", "-input=false", "-no-color", address, &id]);
        assert!(success, "{address} {id}: {text}");
        workspace.plan(&[]).assert_no_changes();
    }
    let (_, text) = workspace.terraform(&["state", "rm", "aws_route.r"]);
    let (success, refused) = workspace.terraform(&["import", "-no-color", "aws_route.r", &table]);
    assert!(!success && refused.contains("expected ROUTETABLEID_DESTINATION"), "{text}{refused}");
}

#[test]
fn what_aws_cannot_import_is_refused_and_a_foreign_region_too() {
    let attachment = r#"
resource "aws_lb_target_group_attachment" "a" {
  target_group_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/0123456789abcdef"
  target_id        = "i-0123456789abcdef0"
}
import {
  to = aws_lb_target_group_attachment.a
  id = "anything"
}
"#;
    let workspace = Workspace::new(attachment);
    workspace.plan(&[]).assert_refused("resource aws_lb_target_group_attachment doesn't support import");
    let topic = r#"
resource "aws_sns_topic" "t" {
  name = "t"
}
import {
  to = aws_sns_topic.t
  id = "arn:aws:sns:us-west-2:123456789012:t@eu-west-1"
}
"#;
    let workspace = Workspace::new(topic);
    workspace.plan(&[]).assert_refused("does not match the region \"us-west-2\" in the ARN");
}

#[test]
fn two_resources_that_share_an_id_are_two_in_the_record() {
    let object = |name: &str, bucket: &str| {
        format!(
            "resource \"aws_s3_object\" \"{name}\" {{\n  bucket = \"{bucket}\"\n  key = \"index.html\"\n  content = \"x\"\n}}\n"
        )
    };
    let (one, two) = (object("one", "bucket-one"), object("two", "bucket-two"));
    let workspace = Workspace::new(&(one.clone() + &two));
    workspace.apply(&[]);
    workspace.write("main.tf", &one);
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
}

#[test]
fn a_move_between_types_is_refused_as_hashicorps_provider_refuses_it() {
    let balancer = |kind: &str| {
        format!(
            "resource \"{kind}\" \"b\" {{\n  name = \"web\"\n  subnets = [\"subnet-1\", \"subnet-2\"]\n}}\n"
        )
    };
    let workspace = Workspace::new(&balancer("aws_alb"));
    workspace.apply(&[]);
    let moved = balancer("aws_lb") + "moved {\n  from = aws_alb.b\n  to = aws_lb.b\n}\n";
    workspace.write("main.tf", &moved);
    workspace.plan(&[]).assert_refused(
        "The \"aws_lb\" resource type does not support moving resource state across resource types.",
    );
}
