//! Configurations in the styles that people publish: each whole, applied in record mode, planned again, destroyed.
//!
//! Read as inspiration, nothing taken over: Elanass/yaz, shajalahamedcse/ecs-fargate-with-terraform,
//! kitakiv/rsschool-devops-course-tasks, AyushJakhmola/terraform-3-Tier-Web-Application-Deployment,
//! onoxtuti-study/terraform-aws, vikramdevopsb79/roboshop-terraform, and terraform-aws-modules' vpc, rds, alb, ecs,
//! security-group, autoscaling.

use crate::harness::Workspace;

fn lives(files: &[(&str, &str)]) {
    let workspace = Workspace::with_files(files);
    if files.len() > 1 {
        let (success, text) = workspace.terraform(&["get"]);
        assert!(success, "{text}");
    }
    assert_eq!(workspace.validate(), Vec::<String>::new());
    let made = workspace.apply(&[]).actions();
    assert!(!made.is_empty() && made.values().all(|action| action == "create"), "{made:?}");
    workspace.plan(&[]).assert_no_changes();
    let gone = workspace.destroy(&[]).actions();
    assert_eq!(gone.len(), made.len());
}

#[test]
fn subnets_by_count_and_inline_rules() {
    lives(&[(
        "main.tf",
        r#"
variable "cidr" {
  default = "10.42.0.0/16"
}
data "aws_availability_zones" "available" {}
resource "aws_vpc" "main" {
  cidr_block           = var.cidr
  enable_dns_hostnames = true
  tags = {
    Name = "main"
  }
}
resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}
resource "aws_subnet" "public" {
  count                   = length(data.aws_availability_zones.available.names)
  vpc_id                  = aws_vpc.main.id
  cidr_block              = cidrsubnet(var.cidr, 8, count.index)
  availability_zone       = data.aws_availability_zones.available.names[count.index]
  map_public_ip_on_launch = true
  tags                    = { Name = "public-${count.index}" }
}
resource "aws_subnet" "private" {
  count             = length(data.aws_availability_zones.available.names)
  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet(var.cidr, 8, count.index + 100)
  availability_zone = element(data.aws_availability_zones.available.names, count.index)
}
resource "aws_eip" "nat" {
  count  = length(aws_subnet.public)
  domain = "vpc"
}
resource "aws_nat_gateway" "nat" {
  count         = length(aws_subnet.public)
  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id
  depends_on    = [aws_internet_gateway.main]
}
resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
}
resource "aws_route_table_association" "public" {
  count          = length(aws_subnet.public)
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}
resource "aws_route_table" "private" {
  count  = length(aws_subnet.private)
  vpc_id = aws_vpc.main.id
}
resource "aws_route" "private" {
  count                  = length(aws_subnet.private)
  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.nat[count.index].id
}
resource "aws_security_group" "web" {
  name        = "web"
  description = "Web traffic"
  vpc_id      = aws_vpc.main.id
  ingress {
    description = "HTTPS"
    from_port   = 443
    to_port     = 443
    protocol    = "TCP"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
  lifecycle {
    create_before_destroy = true
  }
}
"#,
    )]);
}

#[test]
fn dynamic_rules_and_rules_apart_by_for_each() {
    lives(&[(
        "main.tf",
        r#"
locals {
  rules = [
    { description = "http", port = 80, cidr = "0.0.0.0/0" },
    { description = "https", port = 443, cidr = "0.0.0.0/0" },
  ]
  admins = ["192.0.2.10/32", "198.51.100.7/32"]
}
resource "aws_security_group" "dynamic" {
  name_prefix = "dynamic-"
  vpc_id      = "vpc-0123456789abcdef0"
  dynamic "ingress" {
    for_each = local.rules
    iterator = rule
    content {
      description      = rule.value.description
      from_port        = rule.value.port
      to_port          = rule.value.port
      protocol         = "tcp"
      cidr_blocks      = [rule.value.cidr]
      ipv6_cidr_blocks = []
      self             = false
    }
  }
}
resource "aws_security_group" "bastion" {
  name   = "bastion"
  vpc_id = "vpc-0123456789abcdef0"
}
resource "aws_security_group_rule" "ssh" {
  for_each          = toset(local.admins)
  type              = "ingress"
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = [each.value]
  security_group_id = aws_security_group.bastion.id
  description       = "SSH from ${each.value}"
}
resource "aws_vpc_security_group_egress_rule" "all" {
  for_each          = { dynamic = aws_security_group.dynamic.id, bastion = aws_security_group.bastion.id }
  security_group_id = each.value
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
data "aws_ami" "linux" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-*-x86_64"]
  }
}
resource "aws_key_pair" "admin" {
  key_name   = "admin"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE admin"
}
resource "aws_instance" "bastion" {
  ami                         = data.aws_ami.linux.id
  instance_type               = "t3.micro"
  key_name                    = aws_key_pair.admin.key_name
  vpc_security_group_ids      = [aws_security_group.bastion.id]
  subnet_id                   = "subnet-0123456789abcdef0"
  associate_public_ip_address = true
  user_data                   = <<-EOT
    #!/bin/sh
    dnf install -y postgresql15
  EOT
  metadata_options {
    http_tokens = "required"
  }
  root_block_device {
    volume_size = 8
    encrypted   = true
  }
}
output "address" {
  value = aws_instance.bastion.public_ip
}
"#,
    )]);
}

#[test]
fn a_generated_password_kept_in_a_parameter() {
    lives(&[(
        "main.tf",
        r#"
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 4.0"
    }
    random = {
      source = "hashicorp/random"
    }
  }
}
resource "random_password" "db" {
  length           = 24
  special          = true
  override_special = "!#$%&*()-_=+[]{}<>:?"
}
resource "random_id" "suffix" {
  byte_length = 4
}
resource "aws_ssm_parameter" "db" {
  name  = "/app/db_password"
  type  = "SecureString"
  value = random_password.db.result
}
resource "aws_db_subnet_group" "db" {
  name       = "app"
  subnet_ids = ["subnet-1", "subnet-2"]
}
resource "aws_db_parameter_group" "db" {
  name   = "app-postgres16"
  family = "postgres16"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  parameter {
    name         = "log_connections"
    value        = "1"
    apply_method = "pending-reboot"
  }
}
resource "aws_db_instance" "db" {
  identifier                = "app"
  engine                    = "postgres"
  engine_version            = "16.4"
  instance_class            = "db.t4g.micro"
  allocated_storage         = 20
  max_allocated_storage     = 100
  storage_encrypted         = true
  db_name                   = "app"
  username                  = "owner"
  password                  = random_password.db.result
  db_subnet_group_name      = aws_db_subnet_group.db.name
  parameter_group_name      = aws_db_parameter_group.db.name
  backup_retention_period   = 7
  final_snapshot_identifier = "app-${random_id.suffix.hex}"
}
resource "aws_db_instance" "replica" {
  identifier          = "app-replica"
  instance_class      = "db.t4g.micro"
  replicate_source_db = aws_db_instance.db.identifier
  skip_final_snapshot = true
}
resource "aws_s3_bucket" "assets" {
  bucket = "assets-${random_id.suffix.hex}"
}
resource "aws_s3_bucket_public_access_block" "assets" {
  bucket                  = aws_s3_bucket.assets.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
output "endpoint" {
  value = aws_db_instance.db.endpoint
}
"#,
    )]);
}

const SERVICE: &str = r#"
variable "name" {}
variable "environment" {
  type    = map(string)
  default = {}
}
data "aws_region" "current" {}
data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}
resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}
resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}
resource "aws_cloudwatch_log_group" "app" {
  name              = "/ecs/${var.name}"
  retention_in_days = 30
}
resource "aws_ecs_cluster" "app" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}
resource "aws_ecs_task_definition" "app" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 1024
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions = jsonencode([
    {
      name         = var.name
      image        = "nginx:stable"
      essential    = true
      environment  = [for key, value in var.environment : { name = key, value = value }]
      portMappings = [{ containerPort = 80 }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.app.name
          awslogs-region        = data.aws_region.current.region
          awslogs-stream-prefix = "ecs"
        }
      }
    }
  ])
}
module "balancer" {
  source = "./balancer"
  name   = var.name
}
resource "aws_ecs_service" "app" {
  name            = var.name
  cluster         = aws_ecs_cluster.app.id
  task_definition = aws_ecs_task_definition.app.arn
  desired_count   = 2
  launch_type     = "FARGATE"
  network_configuration {
    subnets         = ["subnet-1", "subnet-2"]
    security_groups = ["sg-1"]
  }
  load_balancer {
    target_group_arn = module.balancer.target_group_arn
    container_name   = var.name
    container_port   = 80
  }
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  lifecycle {
    ignore_changes = [desired_count]
  }
}
resource "aws_appautoscaling_target" "app" {
  max_capacity       = 6
  min_capacity       = 2
  resource_id        = "service/${aws_ecs_cluster.app.name}/${aws_ecs_service.app.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  service_namespace  = "ecs"
}
resource "aws_appautoscaling_policy" "cpu" {
  name               = "cpu"
  policy_type        = "TargetTrackingScaling"
  resource_id        = aws_appautoscaling_target.app.resource_id
  scalable_dimension = aws_appautoscaling_target.app.scalable_dimension
  service_namespace  = aws_appautoscaling_target.app.service_namespace
  target_tracking_scaling_policy_configuration {
    target_value = 60
    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
"#;

const BALANCER: &str = r#"
variable "name" {}
resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "application"
  subnets            = ["subnet-1", "subnet-2"]
  security_groups    = ["sg-1"]
}
resource "aws_lb_target_group" "this" {
  name        = var.name
  port        = 80
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = "vpc-1"
  health_check {
    path                = "/"
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}
resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}
resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = "arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
  default_action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.this.arn
        weight = 1
      }
    }
  }
}
output "target_group_arn" {
  value = aws_lb_target_group.this.arn
}
"#;

#[test]
fn modules_in_modules_for_each_environment() {
    lives(&[
        (
            "main.tf",
            r#"
module "service" {
  for_each    = { blue = { COLOUR = "blue" }, green = { COLOUR = "green" } }
  source      = "./modules/service"
  name        = each.key
  environment = each.value
}
"#,
        ),
        ("modules/service/main.tf", SERVICE),
        ("modules/service/balancer/main.tf", BALANCER),
    ]);
}

const ALARMS: &str = r#"
data "aws_caller_identity" "current" {}
resource "aws_kms_key" "alarms" {
  description         = "Alarms"
  enable_key_rotation = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}
resource "aws_kms_alias" "alarms" {
  name          = "alias/alarms"
  target_key_id = aws_kms_key.alarms.key_id
}
resource "aws_sns_topic" "alarms" {
  name              = "alarms"
  kms_master_key_id = aws_kms_key.alarms.arn
}
resource "aws_sns_topic_subscription" "mail" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = "ops@example.com"
}
resource "aws_cloudwatch_metric_alarm" "lag" {
  for_each            = { warning = 30, critical = 300 }
  alarm_name          = "lag-${each.key}"
  namespace           = "AWS/RDS"
  metric_name         = "ReplicaLag"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value
  evaluation_periods  = 3
  period              = 60
  dimensions          = { DBInstanceIdentifier = "app-replica" }
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
resource "aws_wafv2_web_acl" "main" {
  name  = "main"
  scope = "REGIONAL"
  default_action {
    allow {}
  }
  rule {
    name     = "common"
    priority = 1
    override_action {
      none {}
    }
    statement {
      managed_rule_group_statement {
        name        = "AWSManagedRulesCommonRuleSet"
        vendor_name = "AWS"
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "common"
      sampled_requests_enabled   = true
    }
  }
  rule {
    name     = "rate"
    priority = 2
    action {
      block {}
    }
    statement {
      rate_based_statement {
        limit              = 1000
        aggregate_key_type = "IP"
        scope_down_statement {
          not_statement {
            statement {
              geo_match_statement {
                country_codes = ["GB", "IE"]
              }
            }
          }
        }
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "rate"
      sampled_requests_enabled   = true
    }
  }
  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "main"
    sampled_requests_enabled   = true
  }
}
"#;

#[test]
fn notifications_alarms_and_a_firewall() {
    lives(&[("main.tf", ALARMS)]);
}
