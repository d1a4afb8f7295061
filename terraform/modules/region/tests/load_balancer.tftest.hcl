# Load balancer, listeners, certificate, access logs, firewall.

provider "aws" {
  region = "eu-west-1"
}

variables {
  environment  = "staging"
  region       = "eu-west-1"
  network      = { cidr = "10.10.0.0/16" }
  domain       = "hello.example.com"
  service      = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  github_user  = "octo"
  github_token = "planted-github-token"
}

run "the_load_balancer_is_public_and_careful" {
  command = plan

  assert {
    condition     = !aws_lb.this.internal && aws_lb.this.load_balancer_type == "application"
    error_message = "the load balancer must face the internet"
  }

  assert {
    condition     = aws_lb.this.idle_timeout == 60 && aws_lb.this.client_keep_alive == 300
    error_message = "idle time must be 60 s (the service's is 75) and client keep-alive 300 s, not an hour"
  }

  assert {
    condition     = aws_lb.this.drop_invalid_header_fields && aws_lb.this.desync_mitigation_mode == "defensive"
    error_message = "invalid headers must be dropped"
  }
}

run "clients_speak_tls_and_are_redirected_to_it" {
  command = plan

  assert {
    condition     = aws_lb_listener.https["this"].port == 443 && aws_lb_listener.https["this"].protocol == "HTTPS" && aws_lb_listener.https["this"].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "port 443 must speak TLS 1.2 or 1.3"
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect" && aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301" && aws_lb_listener.http.default_action[0].redirect[0].port == "443"
    error_message = "port 80 must redirect to 443"
  }

  assert {
    condition     = aws_acm_certificate.this["this"].domain_name == "hello.example.com" && aws_acm_certificate.this["this"].validation_method == "DNS"
    error_message = "the certificate must be for the domain, validated by DNS"
  }
}

run "without_a_domain_there_is_plain_http" {
  command = plan

  variables {
    domain = null
  }

  assert {
    condition     = length(aws_lb_listener.https) == 0 && length(aws_acm_certificate.this) == 0
    error_message = "there must be no HTTPS listener without a certificate"
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "forward"
    error_message = "port 80 must serve"
  }
}

run "targets_are_addresses_checked_for_liveness" {
  command = plan

  assert {
    condition     = aws_lb_target_group.this.target_type == "ip" && aws_lb_target_group.this.port == 8080 && aws_lb_target_group.this.protocol == "HTTP"
    error_message = "Fargate tasks are registered by address"
  }

  assert {
    condition     = [for check in aws_lb_target_group.this.health_check : [check.path, check.interval, check.timeout, check.healthy_threshold, check.unhealthy_threshold]] == [["/health", 10, 5, 2, 3]]
    error_message = "the check must be the one that does not ask the database"
  }

  assert {
    condition     = aws_lb_target_group.this.deregistration_delay == "30"
    error_message = "the deregistration delay must be short"
  }

  assert {
    condition     = aws_lb_target_group.this.target_group_health[0].unhealthy_state_routing[0].minimum_healthy_targets_count == 1
    error_message = "with no healthy target requests must go to all of them (fail open)"
  }
}

run "targets_are_checked_as_often_as_asked" {
  command = plan

  variables {
    load_balancer = { deregistration_delay = 5, health_check = { interval = 5, timeout = 2, unhealthy_threshold = 2 } }
  }

  assert {
    condition = aws_lb_target_group.this.deregistration_delay == "5" && [
      for check in aws_lb_target_group.this.health_check : [check.interval, check.timeout, check.healthy_threshold, check.unhealthy_threshold]
    ] == [[5, 2, 2, 2]]
    error_message = "each time must be the given one, and the others must keep their defaults"
  }
}

run "security_groups_let_clients_in_and_tasks_out" {
  command = plan

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.alb_https : rule.from_port] == [443] && [for rule in aws_vpc_security_group_ingress_rule.alb_http : rule.from_port] == [80]
    error_message = "clients must reach ports 443 and 80 and no other"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.alb_to_tasks.from_port == 8080 && aws_vpc_security_group_egress_rule.alb_to_tasks.to_port == 8080 && aws_vpc_security_group_egress_rule.alb_to_tasks.cidr_ipv4 == null
    error_message = "the load balancer must reach the tasks' port and nothing else"
  }
}

run "clients_can_be_narrowed" {
  command = plan

  variables {
    load_balancer = { ingress_cidrs = ["198.51.100.0/24"] }
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.alb_https : rule.cidr_ipv4] == ["198.51.100.0/24"]
    error_message = "only the given range may connect"
  }
}

# What the bucket itself is like is in terraform/tests/plan_checks.py.
run "access_logs_are_kept" {
  command = plan

  assert {
    condition     = aws_lb.this.access_logs[0].enabled && aws_lb.this.access_logs[0].bucket == "hello-you-staging-alb-logs-${data.aws_caller_identity.current.account_id}-eu-west-1"
    error_message = "access logs must go to the bucket that carries account and region in its name"
  }
}

run "only_production_is_protected_against_deletion" {
  command = plan

  assert {
    condition     = !aws_lb.this.enable_deletion_protection && !aws_db_instance.primary.deletion_protection && aws_db_instance.primary.skip_final_snapshot
    error_message = "staging must be easy to remove"
  }
}

run "production_is_protected_against_deletion" {
  command = plan

  variables {
    environment = "production"
    network     = { cidr = "10.10.0.0/16", nat_gateway_per_az = true }
  }

  assert {
    condition     = aws_lb.this.enable_deletion_protection && aws_db_instance.primary.deletion_protection && aws_db_instance.replica["this"].deletion_protection
    error_message = "production must be hard to remove"
  }

  assert {
    condition     = !aws_db_instance.primary.skip_final_snapshot && aws_db_instance.primary.final_snapshot_identifier == "hello-you-production-db-final"
    error_message = "production must leave a final snapshot"
  }

  assert {
    condition     = aws_db_instance.replica["this"].skip_final_snapshot && aws_db_instance.replica["this"].final_snapshot_identifier == null
    error_message = "a replica can have no final snapshot"
  }
}

run "no_firewall_by_default" {
  command = plan

  assert {
    condition     = length(aws_wafv2_web_acl.this) == 0 && length(aws_wafv2_web_acl_association.this) == 0
    error_message = "the firewall costs and must be asked for"
  }
}

run "the_firewall_limits_each_address" {
  command = plan

  variables {
    load_balancer = { waf = true, waf_rate_limit = 500 }
  }

  assert {
    condition     = one([for rule in aws_wafv2_web_acl.this["this"].rule : rule.statement[0].rate_based_statement[0].limit if rule.name == "rate-limit"]) == 500
    error_message = "the rate limit must be the given one"
  }

  assert {
    condition     = startswith(aws_cloudwatch_log_group.waf["this"].name, "aws-waf-logs-")
    error_message = "AWS WAF writes only to log groups with this prefix"
  }
}
