//! Plans and what becomes of them: unknowns, drift, import, moves, tags, regions, several configurations.

use crate::harness::Workspace;
use std::collections::BTreeMap;

const NETWORK: &str = r#"
variable "name" {
  default = "one"
}
provider "aws" {
  region = "eu-west-1"
  default_tags {
    tags = { project = "hello", owner = "default" }
  }
}
resource "aws_vpc" "v" {
  cidr_block = "10.0.0.0/16"
  tags       = { owner = var.name }
}
resource "aws_subnet" "s" {
  for_each   = toset(["a", "b"])
  vpc_id     = aws_vpc.v.id
  cidr_block = cidrsubnet(aws_vpc.v.cidr_block, 8, each.key == "a" ? 0 : 1)
}
resource "aws_vpc" "elsewhere" {
  region     = "us-west-2"
  cidr_block = "10.1.0.0/16"
}
"#;

fn attribute<'j>(plan: &'j serde_json::Value, address: &str) -> &'j serde_json::Value {
    let changes = plan["resource_changes"].as_array().unwrap();
    &changes.iter().find(|change| change["address"] == address).unwrap()["change"]
}

#[test]
fn a_plan_knows_what_can_be_known() {
    let workspace = Workspace::new(NETWORK);
    let warnings = workspace.plan(&[]).warnings();
    assert!(warnings.iter().any(|warning| warning.contains("Nothing is made real")), "{warnings:?}");
    let plan = workspace.planned(&[]);
    let vpc = attribute(&plan, "aws_vpc.v");
    assert_eq!(vpc["after"]["enable_dns_support"], true, "a default is planned");
    assert_eq!(vpc["after"]["instance_tenancy"], "default");
    assert_eq!(vpc["after"]["region"], "eu-west-1");
    assert_eq!(vpc["after"]["tags_all"], serde_json::json!({ "project": "hello", "owner": "one" }));
    assert_eq!(vpc["after_unknown"]["id"], true);
    assert_eq!(vpc["after_unknown"]["arn"], true);
    let subnet = attribute(&plan, "aws_subnet.s[\"a\"]");
    assert_eq!(subnet["after"]["cidr_block"], "10.0.0.0/24");
    assert_eq!(subnet["after_unknown"]["vpc_id"], true);
    assert_eq!(attribute(&plan, "aws_vpc.elsewhere")["after"]["region"], "us-west-2");
}

#[test]
fn a_change_is_made_in_place_or_replaces_what_depends_on_it() {
    let workspace = Workspace::new(NETWORK);
    workspace.apply(&[]);
    let state = workspace.read("terraform.tfstate");
    assert!(state.contains("arn:aws:ec2:us-west-2:123456789012:vpc/vpc-"), "{state}");
    let tags = workspace.plan(&["-var=name=two"]);
    assert_eq!(tags.actions(), BTreeMap::from([("aws_vpc.v".to_owned(), "update".to_owned())]));
    workspace.write("main.tf", &NETWORK.replace("10.0.0.0/16", "10.2.0.0/16"));
    let replaced = workspace.plan(&[]).actions();
    for address in ["aws_vpc.v", "aws_subnet.s[\"a\"]", "aws_subnet.s[\"b\"]"] {
        assert_eq!(replaced.get(address).map(String::as_str), Some("replace"), "{address} in {replaced:?}");
    }
    workspace.write("main.tf", &NETWORK.replace("us-west-2", "us-east-2"));
    let moved = workspace.plan(&[]).actions();
    assert_eq!(moved, BTreeMap::from([("aws_vpc.elsewhere".to_owned(), "replace".to_owned())]));
}

#[test]
fn a_resource_is_moved_and_imported() {
    let workspace = Workspace::new(NETWORK);
    workspace.apply(&[]);
    let renamed = NETWORK.replace("\"aws_vpc\" \"elsewhere\"", "\"aws_vpc\" \"renamed\"");
    workspace.write(
        "main.tf",
        &format!("{renamed}\nmoved {{\n  from = aws_vpc.elsewhere\n  to = aws_vpc.renamed\n}}\n"),
    );
    // A move alone is an action of its own kind and changes nothing.
    assert_eq!(workspace.plan(&[]).actions().get("aws_vpc.renamed").map(String::as_str), Some("move"));
    workspace.apply(&[]);
    let id = workspace.state()["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|resource| resource["name"] == "renamed")
        .unwrap()["instances"][0]["attributes"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (success, text) = workspace.terraform(&["state", "rm", "aws_vpc.renamed"]);
    assert!(success, "{text}");
    let block = |id: &str| format!("{renamed}\nimport {{\n  to = aws_vpc.renamed\n  id = {id:?}\n}}\n");
    // The region is part of the import id of a resource that lives outside the provider's region.
    workspace.write("main.tf", &block(&format!("{id}@us-west-2")));
    let imported = workspace.plan(&[]);
    assert!(imported.success, "{:#?}", imported.errors());
    assert!(
        !imported.actions().values().any(|action| action == "create" || action == "replace"),
        "{:?}",
        imported.actions()
    );
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
    workspace.write(
        "main.tf",
        &block("vpc-0000000000000dead")
            .replace("aws_vpc.renamed", "aws_vpc.other")
            .replace("\"renamed\"", "\"other\""),
    );
    workspace.plan(&[]).assert_refused("Cannot import non-existent remote object");
}

#[test]
fn an_event_outside_is_found_in_the_record_or_played_in_the_state() {
    let workspace = Workspace::new(NETWORK);
    workspace.apply(&[]);
    let record = workspace.read("hello-provider-record.jsonl");
    workspace
        .write("hello-provider-record.jsonl", &record.replace("\"owner\":\"one\"", "\"owner\":\"somebody\""));
    let run = workspace.plan(&[]);
    assert_eq!(run.drift().get("aws_vpc.v").map(String::as_str), Some("update"));
    assert_eq!(run.actions().get("aws_vpc.v").map(String::as_str), Some("update"));
    workspace.write("hello-provider-record.jsonl", &record);
    workspace.plan(&[]).assert_no_changes();
    let state = workspace.read("terraform.tfstate");
    workspace.write(
        "terraform.tfstate",
        &state.replace("\"enable_dns_support\": true", "\"enable_dns_support\": false"),
    );
    let run = workspace.plan(&[]);
    assert_eq!(run.actions().get("aws_vpc.v").map(String::as_str), Some("update"));
}

#[test]
fn a_deleted_resource_is_made_again() {
    let workspace = Workspace::new("resource \"aws_sns_topic\" \"t\" {\n  name = \"t\"\n}\n");
    workspace.apply(&[]);
    let record = workspace.read("hello-provider-record.jsonl");
    let key = record.split('"').nth(3).unwrap().to_owned();
    let gone = format!("{record}{{\"key\":{key:?},\"digest\":\"\",\"state\":null}}\n");
    workspace.write("hello-provider-record.jsonl", &gone);
    assert_eq!(workspace.plan(&[]).actions().get("aws_sns_topic.t").map(String::as_str), Some("create"));
}

#[test]
fn two_configurations_of_one_provider_do_not_mix() {
    let workspace = Workspace::new(
        r#"
provider "aws" {
  region = "eu-west-1"
}
provider "aws" {
  alias  = "west"
  region = "us-west-2"
  default_tags {
    tags = { side = "west" }
  }
}
resource "aws_vpc" "here" {
  cidr_block = "10.0.0.0/16"
}
resource "aws_vpc" "there" {
  provider   = aws.west
  cidr_block = "10.0.0.0/16"
}
"#,
    );
    let plan = workspace.planned(&[]);
    let (here, there) = (attribute(&plan, "aws_vpc.here"), attribute(&plan, "aws_vpc.there"));
    assert_eq!(
        (&here["after"]["region"], &there["after"]["region"]),
        (&"eu-west-1".into(), &"us-west-2".into())
    );
    assert_eq!(here["after"]["tags_all"], serde_json::json!({}));
    assert_eq!(there["after"]["tags_all"], serde_json::json!({ "side": "west" }));
}

#[test]
fn validation_of_a_certificate_can_be_planned_before_it_exists() {
    let workspace = Workspace::new(
        r#"
resource "aws_acm_certificate" "c" {
  domain_name               = "example.com"
  subject_alternative_names = ["www.example.com"]
  validation_method         = "DNS"
}
resource "aws_route53_record" "v" {
  for_each = { for option in aws_acm_certificate.c.domain_validation_options : option.domain_name => option }
  zone_id  = "Z0123456789"
  name     = each.value.resource_record_name
  type     = each.value.resource_record_type
  records  = [each.value.resource_record_value]
  ttl      = 60
}
resource "aws_acm_certificate_validation" "c" {
  certificate_arn         = aws_acm_certificate.c.arn
  validation_record_fqdns = [for record in aws_route53_record.v : record.fqdn]
}
"#,
    );
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
    let state = workspace.read("terraform.tfstate");
    assert!(state.contains("www.example.com") && state.contains("acm-validations.aws"), "{state}");
}

#[test]
fn two_ways_to_write_one_security_group_are_one() {
    let group = |cidr: &str, more: &str| {
        format!(
            r#"resource "aws_security_group" "g" {{
  name   = "g"
  vpc_id = "vpc-0123456789abcdef0"
  ingress {{
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["{cidr}"]
    {more}
  }}
}}
"#
        )
    };
    let workspace = Workspace::new(&group("10.0.0.0/8", ""));
    workspace.apply(&[]);
    let explicit = "self = false\n ipv6_cidr_blocks = []\n prefix_list_ids = []\n security_groups = []\n description = \"\"";
    workspace.write("main.tf", &group("10.0.0.0/8", explicit));
    workspace.plan(&[]).assert_no_changes();
    workspace.write("main.tf", &group("10.0.0.0/16", ""));
    assert_eq!(workspace.plan(&[]).actions().get("aws_security_group.g").map(String::as_str), Some("update"));
}

#[test]
fn without_a_lab_a_plan_is_made_and_an_apply_refused() {
    let workspace = Workspace::new("resource \"aws_vpc\" \"v\" {\n  cidr_block = \"10.0.0.0/16\"\n}\n")
        .set("HELLO_PROVIDER_APPLY", "");
    assert!(workspace.plan(&[]).success);
    let run = workspace.run(&["apply", "-json", "-auto-approve"]);
    run.assert_refused("aws_vpc cannot be applied because no lab is running behind it");
    workspace.write("import.tf", "import {\n  to = aws_vpc.v\n  id = \"vpc-1\"\n}\n");
    workspace.plan(&[]).assert_refused("aws_vpc cannot be imported because no lab is running");
    let wrong = Workspace::new("resource \"aws_vpc\" \"v\" {\n  cidr_block = \"10.0.0.0/16\"\n}\n")
        .set("HELLO_PROVIDER_APPLY", "really");
    wrong.plan(&[]).assert_refused("HELLO_PROVIDER_APPLY is \"really\", which means nothing");
}

#[test]
fn a_missing_region_is_warned_of() {
    let workspace = Workspace::new("resource \"aws_vpc\" \"v\" {\n  cidr_block = \"10.0.0.0/16\"\n}\n")
        .set("AWS_REGION", "");
    let run = workspace.plan(&[]);
    assert!(
        run.warnings().iter().any(|warning| warning.contains("No region is configured")),
        "{:?}",
        run.warnings()
    );
    let wrong =
        Workspace::new("provider \"aws\" {\n  region = \"eu_west\"\n}\ndata \"aws_region\" \"r\" {}\n");
    wrong.plan(&[]).assert_refused("invalid AWS Region: eu_west");
}

#[test]
fn a_network_balancer_may_gain_subnets_but_not_lose_them() {
    let balancer = |subnets: &str| {
        format!(
            "resource \"aws_lb\" \"b\" {{\n  load_balancer_type = \"network\"\n  subnets = {subnets}\n}}\n"
        )
    };
    let workspace = Workspace::new(&balancer("[\"subnet-1\", \"subnet-2\"]"));
    workspace.apply(&[]);
    let planned = |subnets: &str| {
        workspace.write("main.tf", &balancer(subnets));
        workspace.plan(&[]).actions().remove("aws_lb.b")
    };
    assert_eq!(planned("[\"subnet-1\", \"subnet-2\", \"subnet-3\"]").as_deref(), Some("update"));
    assert_eq!(planned("[\"subnet-1\", \"subnet-3\"]").as_deref(), Some("replace"));
}

#[test]
fn a_replica_of_another_region_names_its_source_by_arn_and_stays_as_it_is() {
    let workspace = Workspace::new(
        r#"
resource "aws_db_instance" "primary" {
  identifier              = "primary"
  engine                  = "postgres"
  instance_class          = "db.t4g.micro"
  allocated_storage       = 20
  username                = "owner"
  password_wo             = "long-enough"
  password_wo_version     = 1
  backup_retention_period = 1
  skip_final_snapshot     = true
}
resource "aws_db_instance" "replica" {
  region              = "us-west-2"
  identifier          = "replica"
  instance_class      = "db.t4g.micro"
  replicate_source_db = aws_db_instance.primary.arn
  skip_final_snapshot = true
}
"#,
    );
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
    // AWS answers with the name alone where source and replica share a region, whatever was configured.
    let state = workspace.read("terraform.tfstate");
    let arn = "arn:aws:rds:eu-west-1:123456789012:db:primary";
    assert!(state.contains(&format!("\"replicate_source_db\": \"{arn}\"")), "{state}");
    workspace.write(
        "terraform.tfstate",
        &state
            .replace(&format!("\"replicate_source_db\": \"{arn}\""), "\"replicate_source_db\": \"primary\""),
    );
    workspace.plan(&[]).assert_no_changes();
}

#[test]
fn a_new_task_definition_is_the_next_revision_and_reaches_its_service() {
    let configuration = |image: &str| {
        format!(
            r#"
resource "aws_ecs_task_definition" "t" {{
  family                = "app"
  container_definitions = jsonencode([{{ name = "app", image = "{image}" }}])
}}
resource "aws_ecs_service" "s" {{
  name            = "app"
  task_definition = aws_ecs_task_definition.t.arn
}}
output "revision" {{
  value = aws_ecs_service.s.task_definition
}}
"#
        )
    };
    let workspace = Workspace::new(&configuration("one"));
    for (image, revision) in [("one", 1), ("two", 2), ("three", 3)] {
        workspace.write("main.tf", &configuration(image));
        workspace.apply(&[]);
        workspace.plan(&[]).assert_no_changes();
        let arn = workspace.state()["outputs"]["revision"]["value"].clone();
        assert!(arn.as_str().unwrap().ends_with(&format!("task-definition/app:{revision}")), "{arn}");
    }
}

#[test]
fn a_policy_that_is_only_partly_known_keeps_what_its_plan_promised() {
    let workspace = Workspace::new(
        r#"
resource "aws_s3_bucket" "b" {
  bucket_prefix = "data-"
}
data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.b.arn}/*"]
  }
}
resource "aws_iam_policy" "document" {
  name   = "document"
  policy = data.aws_iam_policy_document.read.json
}
resource "aws_iam_policy" "encoded" {
  name   = "encoded"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:*", Resource = aws_s3_bucket.b.arn }] })
}
resource "aws_iam_policy" "text" {
  name   = "text"
  policy = <<-EOT
    {
      "Version": "2012-10-17",
      "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": "${aws_s3_bucket.b.arn}" }]
    }
  EOT
}
"#,
    );
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
}
