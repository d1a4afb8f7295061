# ---------------------------------------------------------------------------------------------------------------------
# Who may talk to the load balancer, and to whom it talks
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_security_group" "alb" {
  region = var.region

  name        = "${local.name}-alb"
  description = "Load balancer: HTTP and HTTPS from clients, to the tasks only"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.name}-alb" }
}

resource "aws_vpc_security_group_ingress_rule" "alb_https" {
  for_each = local.https ? var.load_balancer.ingress_cidrs : toset([])
  region   = var.region

  security_group_id = aws_security_group.alb.id
  description       = "HTTPS from clients"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  tags = { Name = "${local.name}-alb-https" }
}

resource "aws_vpc_security_group_ingress_rule" "alb_http" {
  for_each = var.load_balancer.ingress_cidrs
  region   = var.region

  security_group_id = aws_security_group.alb.id
  description       = local.https ? "HTTP from clients, answered with a redirect" : "HTTP from clients"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80

  tags = { Name = "${local.name}-alb-http" }
}

resource "aws_vpc_security_group_egress_rule" "alb_to_tasks" {
  region = var.region

  security_group_id            = aws_security_group.alb.id
  description                  = "Requests and health checks to the tasks"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = local.service_port
  to_port                      = local.service_port

  tags = { Name = "${local.name}-alb-to-tasks" }
}

# ---------------------------------------------------------------------------------------------------------------------
# Load balancer, target group, listeners
# ---------------------------------------------------------------------------------------------------------------------

locals {
  https = var.domain != null
}

resource "aws_lb" "this" {
  # checkov:skip=CKV2_AWS_20:port 80 redirects wherever there is a domain; checkov does not see through the dynamic block
  # checkov:skip=CKV2_AWS_76:the firewall is optional (waf.tf) and has the rules for known bad inputs
  # checkov:skip=CKV2_AWS_28:the firewall is optional (waf.tf)

  region = var.region

  name               = "${local.name}-alb"
  load_balancer_type = "application"
  internal           = false
  security_groups    = [aws_security_group.alb.id]
  subnets            = [for subnet in aws_subnet.public : subnet.id]

  # The service keeps idle connections for 75 s: the load balancer must let go first, or it sends a request into a
  # connection that is being closed (sporadic 502).
  idle_timeout = 60

  # Default 3600 s: a client with an open connection would stay on a region that DNS has left for an hour.
  client_keep_alive = 300

  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"
  enable_deletion_protection = local.protected

  access_logs {
    bucket  = module.alb_logs.name
    prefix  = "alb"
    enabled = true
  }

  tags = { Name = "${local.name}-alb" }

  # AWS writes a test object when access logs are switched on, so the bucket must let it.
  depends_on = [module.alb_logs]
}

resource "aws_lb_target_group" "this" {
  # checkov:skip=CKV_AWS_378:TLS ends at the load balancer; the rest of the way is inside the VPC and its security groups

  region = var.region

  name        = "${local.name}-api"
  vpc_id      = aws_vpc.this.id
  target_type = "ip"
  protocol    = "HTTP"
  port        = local.service_port

  deregistration_delay = tostring(var.load_balancer.deregistration_delay)

  # Liveness only: /health never asks the database, so a database that is down cannot empty the target group.
  health_check {
    path                = "/health"
    protocol            = "HTTP"
    port                = "traffic-port"
    matcher             = "200"
    interval            = var.load_balancer.health_check.interval
    timeout             = var.load_balancer.health_check.timeout
    healthy_threshold   = var.load_balancer.health_check.healthy_threshold
    unhealthy_threshold = var.load_balancer.health_check.unhealthy_threshold
  }

  # Below this number of healthy targets requests go to all of them (fail open), and DNS leaves the zone.
  target_group_health {
    dns_failover {
      minimum_healthy_targets_count      = tostring(var.load_balancer.minimum_healthy_targets)
      minimum_healthy_targets_percentage = "off"
    }

    unhealthy_state_routing {
      minimum_healthy_targets_count      = var.load_balancer.minimum_healthy_targets
      minimum_healthy_targets_percentage = "off"
    }
  }

  tags = { Name = "${local.name}-api" }
}

# Port 80: a redirect where there is a certificate, else (a trial) the service itself.
resource "aws_lb_listener" "http" {
  # checkov:skip=CKV_AWS_103:this is the redirect to the listener that speaks TLS
  # checkov:skip=CKV_AWS_2:this is the redirect to the listener that speaks TLS

  region = var.region

  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  dynamic "default_action" {
    for_each = local.https ? ["redirect"] : []

    content {
      type = "redirect"

      redirect {
        protocol    = "HTTPS"
        port        = "443"
        status_code = "HTTP_301"
      }
    }
  }

  dynamic "default_action" {
    for_each = local.https ? [] : ["forward"]

    content {
      type             = "forward"
      target_group_arn = aws_lb_target_group.this.arn
    }
  }

  tags = { Name = "${local.name}-http" }
}

resource "aws_lb_listener" "https" {
  for_each = local.https ? toset(["this"]) : toset([])
  region   = var.region

  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = aws_acm_certificate_validation.this["this"].certificate_arn

  # TLS 1.2 with forward secrecy, and TLS 1.3.
  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
  ssl_policy = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  tags = { Name = "${local.name}-https" }
}

# ---------------------------------------------------------------------------------------------------------------------
# Certificate: each region has its own for the same name; both ask for the same DNS record, which modules/global makes
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_acm_certificate" "this" {
  for_each = local.https ? toset(["this"]) : toset([])
  region   = var.region

  domain_name       = var.domain
  validation_method = "DNS"

  tags = { Name = local.name }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_acm_certificate_validation" "this" {
  for_each = aws_acm_certificate.this
  region   = var.region

  certificate_arn         = each.value.arn
  validation_record_fqdns = var.certificate_validation_fqdns
}

# ---------------------------------------------------------------------------------------------------------------------
# Access logs
# ---------------------------------------------------------------------------------------------------------------------

locals {
  alb_logs_bucket = "${local.name}-alb-logs-${local.account}-${var.region}"
}

# "The only server-side encryption option that's supported is Amazon S3-managed keys (SSE-S3)": hence no key.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
module "alb_logs" {
  source = "../bucket"

  region           = var.region
  name             = local.alb_logs_bucket
  expire_days      = var.load_balancer.log_retention_days
  old_version_days = 7
  force_destroy    = !local.protected
  policies         = [data.aws_iam_policy_document.alb_logs.json]
}

data "aws_iam_policy_document" "alb_logs" {
  statement {
    # The account in the path is what keeps other accounts' load balancers out.
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html#attach-bucket-policy
    sid       = "LoadBalancerWritesItsLogs"
    actions   = ["s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${local.alb_logs_bucket}/alb/AWSLogs/${local.account}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
  }
}
