# Optional web application firewall: a limit per client address, and the rules that AWS keeps for known attacks.

locals {
  waf = var.load_balancer.waf ? toset(["this"]) : toset([])
}

resource "aws_wafv2_web_acl" "this" {
  for_each = local.waf
  region   = var.region

  name        = local.name
  description = "Rate limit and common rules in front of ${local.name}"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  # Route 53's health checkers come from many addresses, each well below the limit.
  rule {
    name     = "rate-limit"
    priority = 1

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit              = var.load_balancer.waf_rate_limit
        aggregate_key_type = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${local.name}-rate-limit"
      sampled_requests_enabled   = true
    }
  }

  rule {
    name     = "common"
    priority = 2

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesCommonRuleSet"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${local.name}-common"
      sampled_requests_enabled   = true
    }
  }

  rule {
    name     = "known-bad-inputs"
    priority = 3

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesKnownBadInputsRuleSet"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${local.name}-known-bad-inputs"
      sampled_requests_enabled   = true
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = local.name
    sampled_requests_enabled   = true
  }

  tags = { Name = local.name }
}

resource "aws_wafv2_web_acl_association" "this" {
  for_each = aws_wafv2_web_acl.this
  region   = var.region

  resource_arn = aws_lb.this.arn
  web_acl_arn  = each.value.arn
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  for_each = aws_wafv2_web_acl.this
  region   = var.region

  resource_arn            = each.value.arn
  log_destination_configs = [aws_cloudwatch_log_group.waf[each.key].arn]

  # A name in a path is personal data; the request id in the service's log is enough to find a request.
  redacted_fields {
    uri_path {}
  }
}
