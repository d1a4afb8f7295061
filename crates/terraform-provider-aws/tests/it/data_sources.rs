//! Data sources and functions answer without an account, and the same each time.

use crate::harness::Workspace;
use serde_json::{Value as Json, json};

const CONFIGURATION: &str = r#"
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
data "aws_region" "here" {}
data "aws_regions" "all" {}
data "aws_caller_identity" "me" {}
data "aws_partition" "here" {}
data "aws_availability_zones" "here" {
  state = "available"
}
data "aws_availability_zones" "there" {
  region = "us-east-1"
}
data "aws_ami" "linux" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-2023.*-arm64"]
  }
}
data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}
data "aws_ssm_parameter" "own" {
  name = "/own/parameter"
}
data "aws_elb_service_account" "logs" {}
data "aws_lb_hosted_zone_id" "alb" {}
data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"
}
data "aws_service_principal" "ecs" {
  service_name = "ecs-tasks"
}
data "aws_vpc" "default" {
  default = true
}
data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}
data "aws_iam_policy_document" "base" {
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject", "s3:ListBucket"]
    resources = ["arn:${data.aws_partition.here.partition}:s3:::example/*"]
  }
}
data "aws_iam_policy_document" "whole" {
  source_policy_documents = [data.aws_iam_policy_document.base.json]
  statement {
    sid     = "Assume"
    effect  = "Deny"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [data.aws_service_principal.ecs.name]
    }
    condition {
      test     = "StringNotEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.me.account_id]
    }
  }
  override_policy_documents = [jsonencode({ Statement = [{ Sid = "Read", Effect = "Allow", Action = "s3:GetObject", Resource = "*" }] })]
}
output "answers" {
  value = {
    region    = data.aws_region.here.region
    regions   = length(data.aws_regions.all.names)
    account   = data.aws_caller_identity.me.account_id
    partition = data.aws_partition.here.dns_suffix
    zones     = data.aws_availability_zones.here.names
    zone_ids  = data.aws_availability_zones.there.zone_ids
    image     = data.aws_ami.linux.id
    image_arm = data.aws_ami.linux.architecture
    parameter = startswith(nonsensitive(data.aws_ssm_parameter.ami.value), "ami-")
    logs      = data.aws_elb_service_account.logs.arn
    zone      = data.aws_lb_hosted_zone_id.alb.id
    prefixes  = startswith(data.aws_ec2_managed_prefix_list.cloudfront.id, "pl-")
    principal = data.aws_service_principal.ecs.name
    vpc       = data.aws_vpc.default.id
    subnets   = length(data.aws_subnets.default.ids)
    policy    = jsondecode(data.aws_iam_policy_document.whole.json)
    parsed    = provider::aws::arn_parse("arn:aws:iam::444455556666:role/path/example").resource
    built     = provider::aws::arn_build("aws", "sqs", "eu-west-1", "123456789012", "queue")
    trimmed   = provider::aws::trim_iam_role_path("arn:aws:iam::444455556666:role/path/example")
    refused   = try(provider::aws::trim_iam_role_path("arn:aws:s3:::bucket"), "not a role")
  }
}
"#;

#[test]
fn answers_are_true_or_made_up_and_always_the_same() {
    let workspace = Workspace::new(CONFIGURATION);
    let run = workspace.apply(&[]);
    let first = workspace.state()["outputs"]["answers"]["value"].clone();
    let expect = |name: &str, value: Json| assert_eq!(first[name], value, "{name}");
    expect("region", "eu-west-1".into());
    expect("regions", 17.into());
    expect("account", "123456789012".into());
    expect("partition", "amazonaws.com".into());
    expect("zones", json!(["eu-west-1a", "eu-west-1b", "eu-west-1c"]));
    expect("zone_ids", json!(["use1-az1", "use1-az2", "use1-az3", "use1-az4", "use1-az5", "use1-az6"]));
    expect("image_arm", "arm64".into());
    expect("parameter", true.into());
    expect("logs", "arn:aws:iam::156460612806:root".into());
    expect("zone", "Z32O12XQLNTSW2".into());
    expect("prefixes", true.into());
    expect("principal", "ecs-tasks.amazonaws.com".into());
    expect("subnets", 3.into());
    expect("parsed", "role/path/example".into());
    expect("built", "arn:aws:sqs:eu-west-1:123456789012:queue".into());
    expect("trimmed", "arn:aws:iam::444455556666:role/example".into());
    expect("refused", "not a role".into());
    let statements = &first["policy"]["Statement"];
    assert_eq!(statements[0]["Resource"], "*", "the overriding statement stands in its place");
    assert_eq!(statements[1]["Condition"]["StringNotEquals"]["aws:SourceAccount"], "123456789012");
    let made_up: Vec<String> =
        run.warnings().into_iter().filter(|warning| warning.contains("Made-up answers")).collect();
    for name in ["aws_vpc", "aws_subnets", "aws_ssm_parameter"] {
        assert!(
            made_up.iter().any(|warning| warning.contains(name)),
            "{name} is not said to be made up: {made_up:?}"
        );
    }
    workspace.plan(&["-detailed-exitcode"]).assert_no_changes();
    let again = Workspace::new(CONFIGURATION);
    again.apply(&[]);
    assert_eq!(again.state()["outputs"]["answers"]["value"], first);
}

#[test]
fn a_policy_document_with_a_repeated_sid_is_refused() {
    let workspace = Workspace::new(
        r#"data "aws_iam_policy_document" "r" {
  statement {
    sid     = "A"
    actions = ["*"]
  }
  statement {
    sid     = "A"
    actions = ["*"]
  }
}"#,
    );
    workspace.plan(&[]).assert_refused("duplicate Sid (A). Remove the Sid or ensure the Sid is unique.");
}

#[test]
fn a_policy_document_of_no_meaning_is_refused_at_validation() {
    let workspace = Workspace::new(
        r#"data "aws_iam_policy_document" "r" {
  version                 = "2020-01-01"
  source_policy_documents = ["{"]
  statement {
    effect  = "Perhaps"
    actions = ["*"]
  }
}"#,
    );
    let errors = workspace.validate().concat();
    for sentence in [
        "expected version to be one of [\"2008-10-17\" \"2012-10-17\"], got 2020-01-01",
        "expected statement.0.effect to be one of [\"Allow\" \"Deny\"], got Perhaps",
        "\"source_policy_documents\" contains an invalid JSON",
    ] {
        assert!(errors.contains(sentence), "{sentence} is not in {errors}");
    }
}
