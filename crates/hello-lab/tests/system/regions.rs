//! One configuration in two regions: parts of the same name stand side by side and are told apart.

use crate::support::lab::{APPLY, DESTROY, TestLab};
use std::fs;

/// In each region a network, a load balancer and a service without tasks; in one of them two clusters.
const CONFIGURATION: &str = r#"
provider "aws" {
  region = "eu-west-1"
}

locals {
  ranges   = { eu-west-1 = "10.0.0.0/16", eu-central-1 = "10.1.0.0/16" }
  subnets  = { for pair in setproduct(keys(local.ranges), ["a", "b"]) : join("", pair) => pair[0] }
  clusters = { west = "eu-west-1", other = "eu-west-1", central = "eu-central-1" }
}

resource "aws_vpc" "this" {
  for_each   = local.ranges
  region     = each.key
  cidr_block = each.value
}

resource "aws_internet_gateway" "this" {
  for_each = aws_vpc.this
  region   = each.key
  vpc_id   = each.value.id
}

resource "aws_subnet" "this" {
  for_each          = local.subnets
  region            = each.value
  vpc_id            = aws_vpc.this[each.value].id
  cidr_block        = cidrsubnet(local.ranges[each.value], 8, endswith(each.key, "a") ? 1 : 2)
  availability_zone = each.key
}

resource "aws_security_group" "this" {
  for_each = aws_vpc.this
  region   = each.key
  name     = "same"
  vpc_id   = each.value.id
}

resource "aws_lb" "this" {
  for_each        = local.ranges
  region          = each.key
  name            = "same"
  security_groups = [aws_security_group.this[each.key].id]
  subnets         = [for subnet in aws_subnet.this : subnet.id if subnet.region == each.key]
  depends_on      = [aws_internet_gateway.this]
}

resource "aws_ecs_cluster" "this" {
  for_each = local.clusters
  region   = each.value
  name     = each.key == "other" ? "other" : "same"
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.ranges
  region                   = each.key
  family                   = "same"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "256"
  memory                   = "512"
  container_definitions    = jsonencode([{ name = "one", image = "ghcr.io/nobody/nothing:1", essential = true }])
}

resource "aws_ecs_service" "this" {
  for_each              = local.clusters
  region                = each.value
  name                  = "same"
  cluster               = aws_ecs_cluster.this[each.key].arn
  task_definition       = aws_ecs_task_definition.this[each.value].arn
  desired_count         = 0
  launch_type           = "FARGATE"
  wait_for_steady_state = true

  network_configuration {
    subnets = [for subnet in aws_subnet.this : subnet.id if subnet.region == each.value]
  }
}
"#;

#[test]
fn the_same_names_in_two_regions_and_two_clusters_are_parts_of_their_own() {
    let lab = TestLab::empty();
    let directory = lab.terraform_file("single-region");
    for entry in fs::read_dir(&directory).unwrap().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "tf") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    fs::write(directory.join("main.tf"), CONFIGURATION).unwrap();
    lab.start_daemon();
    lab.terraform(&[], &["init", "-input=false", "-no-color"]).ok();
    lab.apply(&[]);
    let picture = lab.status();
    for service in ["eu-west-1/same/same", "eu-west-1/other/same", "eu-central-1/same/same"] {
        assert!(picture.contains(&format!("service {service}: ready")), "{service}:\n{picture}");
    }
    let is_node = |line: &&str| line.contains(" load balancer same/") && line.ends_with(": ready");
    assert_eq!(picture.lines().filter(is_node).count(), 4, "{picture}");
    let balancers = |region: &str| {
        let name = format!("haproxy-{region}.same-");
        lab.processes().keys().filter(|part| part.starts_with(&name)).count()
    };
    assert_eq!((balancers("eu-west-1"), balancers("eu-central-1")), (2, 2));
    lab.plan_is_clean();
    lab.step("each region has its own");

    let file = directory.join("main.tf");
    let one = CONFIGURATION
        .replace(", eu-central-1 = \"10.1.0.0/16\"", "")
        .replace(", central = \"eu-central-1\"", "");
    fs::write(&file, one).unwrap();
    lab.terraform(&[], APPLY).ok();
    let picture = lab.status();
    assert_eq!((balancers("eu-west-1"), balancers("eu-central-1")), (2, 0), "{picture}");
    for service in ["eu-west-1/same/same", "eu-west-1/other/same"] {
        assert!(picture.contains(&format!("service {service}: ready")), "{service}:\n{picture}");
    }
    lab.step("one region is gone, the other stands");
    lab.terraform(&[], DESTROY).ok();
    assert_eq!((balancers("eu-west-1"), balancers("eu-central-1")), (0, 0));
}
