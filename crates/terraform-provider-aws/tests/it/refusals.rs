//! What AWS would refuse is refused here, with its sentence.

use crate::harness::Workspace;

/// A sentence and a resource that it answers. Each resource is named `r` and gets a number.
const AT_VALIDATION: &[(&str, &str)] = &[
    (
        "\"name\" cannot be longer than 32 characters",
        r#"resource "aws_lb" "r" {
  name    = "load-balancer-name-of-thirty-three"
  subnets = ["subnet-1"]
}"#,
    ),
    (
        "\"name\" cannot be longer than 32 characters",
        r#"resource "aws_lb_target_group" "r" {
  name        = "target-group-name-of-thirty-three"
  port        = 80
  protocol    = "HTTP"
  vpc_id      = "vpc-1"
  target_type = "ip"
}"#,
    ),
    (
        "Attribute \"port\" must be specified when \"target_type\" is \"ip\".",
        r#"resource "aws_lb_target_group" "r" {
  protocol    = "HTTP"
  vpc_id      = "vpc-1"
  target_type = "ip"
}"#,
    ),
    (
        "Attribute \"health_check[0].path\" cannot be specified when \"health_check[0].protocol\" is \"TCP\".",
        r#"resource "aws_lb_target_group" "r" {
  port     = 80
  protocol = "TCP"
  vpc_id   = "vpc-1"
  health_check {
    protocol = "TCP"
    path     = "/health"
  }
}"#,
    ),
    (
        "Attribute \"default_action[0].redirect\" must be specified when \"default_action[0].type\" is \"redirect\".",
        r#"resource "aws_lb_listener" "r" {
  load_balancer_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/a/1"
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
  }
}"#,
    ),
    (
        "A certificate must be specified for HTTPS listeners.",
        r#"resource "aws_lb_listener" "r" {
  load_balancer_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/a/1"
  port              = 443
  protocol          = "HTTPS"
  default_action {
    type             = "forward"
    target_group_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1"
  }
}"#,
    ),
    (
        "Requesting a specific availability zone is not valid for Multi-AZ instances.",
        r#"resource "aws_db_instance" "r" {
  instance_class    = "db.t4g.micro"
  engine            = "postgres"
  availability_zone = "eu-west-1a"
  multi_az          = true
}"#,
    ),
    (
        "FinalDBSnapshotIdentifier can't be specified when deleting a read replica",
        r#"resource "aws_db_instance" "r" {
  instance_class            = "db.t4g.micro"
  replicate_source_db       = "primary"
  final_snapshot_identifier = "last"
}"#,
    ),
    (
        "\"replicate_source_db\" must be an ARN when \"db_subnet_group_name\" is set.",
        r#"resource "aws_db_instance" "r" {
  instance_class       = "db.t4g.micro"
  replicate_source_db  = "primary"
  db_subnet_group_name = "group"
  skip_final_snapshot  = true
}"#,
    ),
    (
        "\"engine\": conflicts with replicate_source_db",
        r#"resource "aws_db_instance" "r" {
  instance_class      = "db.t4g.micro"
  replicate_source_db = "primary"
  engine              = "postgres"
  skip_final_snapshot = true
}"#,
    ),
    (
        "\"username\": conflicts with replicate_source_db",
        r#"resource "aws_db_instance" "r" {
  instance_class      = "db.t4g.micro"
  replicate_source_db = "primary"
  username            = "admin"
  skip_final_snapshot = true
}"#,
    ),
    (
        "\"db_name\": conflicts with replicate_source_db",
        r#"resource "aws_db_instance" "r" {
  instance_class      = "db.t4g.micro"
  replicate_source_db = "primary"
  db_name             = "app"
  skip_final_snapshot = true
}"#,
    ),
    (
        "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.",
        r#"resource "aws_db_instance" "r" {
  instance_class = "db.t4g.micro"
  engine         = "postgres"
  username       = "owner"
  password       = "not a/good@one"
}"#,
    ),
    (
        "only lowercase alphanumeric characters and hyphens allowed in \"identifier\"",
        r#"resource "aws_db_instance" "r" {
  instance_class = "db.t4g.micro"
  engine         = "postgres"
  identifier     = "Not_Allowed"
}"#,
    ),
    (
        "No Fargate configuration exists for given values: 256 CPU, 4096 memory.",
        r#"resource "aws_ecs_task_definition" "r" {
  family                   = "app"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 4096
  container_definitions    = jsonencode([{ name = "app", image = "app" }])
}"#,
    ),
    (
        "Fargate only supports network mode 'awsvpc'.",
        r#"resource "aws_ecs_task_definition" "r" {
  family                   = "app"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "bridge"
  cpu                      = 256
  memory                   = 512
  container_definitions    = jsonencode([{ name = "app", image = "app" }])
}"#,
    ),
    (
        "Fargate requires that 'memory' be defined at the task level.",
        r#"resource "aws_ecs_task_definition" "r" {
  family                   = "app"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  container_definitions    = jsonencode([{ name = "app", image = "app" }])
}"#,
    ),
    (
        "specifying both a launch type and capacity provider strategy is not supported.",
        r#"resource "aws_ecs_service" "r" {
  name        = "app"
  launch_type = "FARGATE"
  capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = 1
  }
}"#,
    ),
    (
        "expected retention_in_days to be one of [0 1 3 5 7 14 30 60 90",
        r#"resource "aws_cloudwatch_log_group" "r" {
  name              = "app"
  retention_in_days = 10
}"#,
    ),
    (
        "\"alias\": conflicts with ttl",
        r#"resource "aws_route53_record" "r" {
  zone_id = "Z1"
  name    = "api"
  type    = "A"
  ttl     = 60
  alias {
    name                   = "lb.example.com"
    zone_id                = "Z2"
    evaluate_target_health = true
  }
}"#,
    ),
    (
        "conflicts with weighted_routing_policy",
        r#"resource "aws_route53_record" "r" {
  zone_id        = "Z1"
  name           = "api"
  type           = "A"
  ttl            = 60
  records        = ["192.0.2.1"]
  set_identifier = "a"
  weighted_routing_policy {
    weight = 1
  }
  failover_routing_policy {
    type = "PRIMARY"
  }
}"#,
    ),
    (
        "isn't in us-east-1 region",
        r#"resource "aws_cloudfront_distribution" "r" {
  enabled = true
  default_cache_behavior {
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    target_origin_id       = "o"
    viewer_protocol_policy = "https-only"
  }
  origin {
    domain_name = "example.com"
    origin_id   = "o"
  }
  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }
  viewer_certificate {
    acm_certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    ssl_support_method  = "sni-only"
  }
}"#,
    ),
    (
        "must both be 0 to use the 'ALL' \"-1\" protocol!",
        r#"resource "aws_security_group" "r" {
  name = "a"
  egress {
    from_port   = 0
    to_port     = 65535
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}"#,
    ),
    (
        "did you mean \"10.0.0.0/16\"",
        r#"resource "aws_vpc" "r" {
  cidr_block = "10.0.1.0/16"
}"#,
    ),
    (
        "network Value with between 16 and 28 significant bits, got: 10.0.0.0/8",
        r#"resource "aws_vpc" "r" {
  cidr_block = "10.0.0.0/8"
}"#,
    ),
    (
        "Attribute \"health_check[0].protocol\" cannot have value \"TCP\" when \"protocol\" is \"HTTP\".",
        r#"resource "aws_lb_target_group" "r" {
  port     = 80
  protocol = "HTTP"
  vpc_id   = "vpc-1"
  health_check {
    protocol = "TCP"
  }
}"#,
    ),
    (
        "Either \"action[0].target_group_arn\" or \"action[0].forward\" must be specified when \"action[0].type\" is \"forward\".",
        r#"resource "aws_lb_listener_rule" "r" {
  listener_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/a/1/2"
  action {
    type = "forward"
  }
  condition {
    path_pattern {
      values = ["/*"]
    }
  }
}"#,
    ),
    (
        "ECS Task Definition container_definitions is invalid: Error decoding JSON",
        r#"resource "aws_ecs_task_definition" "r" {
  family                = "app"
  container_definitions = "{}"
}"#,
    ),
    (
        "Container.name should be unique.",
        r#"resource "aws_ecs_task_definition" "r" {
  family                = "app"
  container_definitions = jsonencode([{ name = "app", image = "a" }, { name = "app", image = "b" }])
}"#,
    ),
    (
        "Container list cannot be empty.",
        r#"resource "aws_ecs_task_definition" "r" {
  family                = "app"
  container_definitions = "[]"
}"#,
    ),
    (
        "is not a valid password because it is not between 8 and 128 characters long.",
        r#"resource "aws_db_instance" "r" {
  instance_class = "db.t4g.micro"
  engine         = "postgres"
  username       = "owner"
  password       = "short"
}"#,
    ),
    (
        "is an invalid ARN",
        r#"resource "aws_iam_role_policy_attachment" "r" {
  role       = "app"
  policy_arn = "AmazonECSTaskExecutionRolePolicy"
}"#,
    ),
    (
        "invalid JSON",
        r#"resource "aws_iam_role" "r" {
  assume_role_policy = "{"
}"#,
    ),
];

#[test]
fn what_aws_would_refuse_is_refused_at_validation_with_its_sentence() {
    let resources = AT_VALIDATION
        .iter()
        .enumerate()
        .map(|(number, (_, hcl))| hcl.replacen("\"r\" {", &format!("\"r{number}\" {{"), 1));
    let workspace = Workspace::new(&resources.collect::<Vec<_>>().join("\n\n"));
    let errors = workspace.validate();
    for (number, (sentence, hcl)) in AT_VALIDATION.iter().enumerate() {
        let of_this = format!(".r{number}: ");
        let said = errors.iter().any(|error| error.contains(&of_this) && error.contains(sentence));
        let own: Vec<&String> = errors.iter().filter(|error| error.contains(&of_this)).collect();
        assert!(said, "{sentence:?} is not said of\n{hcl}\nbut {own:#?}\nall: {errors:#?}");
    }
}

#[test]
fn records_of_one_name_must_share_a_routing_policy() {
    let record = |name: &str, policy: &str| {
        format!(
            r#"resource "aws_route53_record" "{name}" {{
  zone_id        = "Z0123456789"
  name           = "api.example.com"
  type           = "A"
  ttl            = 60
  records        = ["192.0.2.1"]
  set_identifier = "{name}"
  {policy}
}}
"#
        )
    };
    let primary = "failover_routing_policy {\n type = \"PRIMARY\"\n }";
    let weighted = "weighted_routing_policy {\n weight = 1\n }";
    let mixed = Workspace::new(&(record("one", weighted) + &record("two", primary)));
    mixed.plan(&[]).assert_refused("with the same name and type");
    let twice = Workspace::new(&(record("one", primary) + &record("two", primary)));
    twice.plan(&[]).assert_refused("is the PRIMARY too");
    let right =
        Workspace::new(&(record("one", primary) + &record("two", &primary.replace("PRIMARY", "SECONDARY"))));
    assert!(right.plan(&[]).success);
}

#[test]
fn a_listener_takes_certificates_of_its_region_only() {
    let workspace = Workspace::new(
        r#"resource "aws_lb_listener" "r" {
  load_balancer_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/a/1"
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
  default_action {
    type             = "forward"
    target_group_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/1"
  }
}"#,
    );
    workspace.plan(&[]).assert_refused("it is in us-east-1, the listener in eu-west-1");
}

#[test]
fn another_provider_is_refused_by_its_name() {
    let workspace = Workspace::new(
        r#"terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
resource "null_resource" "r" {}"#,
    );
    let (success, text) = workspace.terraform(&["validate", "-no-color"]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!success);
    assert!(
        text.contains("needs the provider \"null\", but only hashicorp/aws and hashicorp/random"),
        "{text}"
    );
}
