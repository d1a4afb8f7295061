# Health checks, records, latches, peering, witness.

provider "aws" {
  region = "eu-north-1"
}

variables {
  environment    = "staging"
  domain         = "hello.example.com"
  witness_region = "eu-north-1"
  validation_options = [{
    domain_name           = "hello.example.com"
    resource_record_name  = "_x.hello.example.com."
    resource_record_type  = "CNAME"
    resource_record_value = "_y.acm-validations.aws."
  }]

  regions = {
    a = {
      region                     = "eu-west-1"
      vpc_id                     = "vpc-a"
      cidr                       = "10.10.0.0/16"
      private_cidrs              = { a = "10.10.128.0/20", b = "10.10.144.0/20" }
      private_route_table_ids    = { a = "rtb-a-a", b = "rtb-a-b" }
      task_security_group_id     = "sg-a-tasks"
      database_security_group_id = "sg-a-database"
      alb_dns_name               = "a.elb.example.com"
      alb_zone_id                = "ZA"
      database_id                = "hello-you-staging-db"
      cluster_name               = "hello-you-staging"
      service_name               = "hello-you-staging"
    }
    b = {
      region                     = "eu-central-1"
      vpc_id                     = "vpc-b"
      cidr                       = "10.20.0.0/16"
      private_cidrs              = { a = "10.20.128.0/20", b = "10.20.144.0/20" }
      private_route_table_ids    = { a = "rtb-b-a", b = "rtb-b-b" }
      task_security_group_id     = "sg-b-tasks"
      database_security_group_id = "sg-b-database"
      alb_dns_name               = "b.elb.example.com"
      alb_zone_id                = "ZB"
      database_id                = "hello-you-staging-db"
      cluster_name               = "hello-you-staging"
      service_name               = "hello-you-staging"
    }
  }
}

run "each_region_has_its_three_checks_whoever_is_active" {
  command = plan

  variables {
    active_region = "b"
  }

  assert {
    condition     = keys(aws_route53_health_check.deep) == ["a", "b"] && keys(aws_route53_health_check.latch) == ["a", "b"] && keys(aws_route53_health_check.region_ok) == ["a", "b"]
    error_message = "all checks of both regions must exist always: a check made in a fail-over begins with the wrong answer"
  }
}

run "the_deep_check_asks_the_regions_own_load_balancer" {
  command = plan

  assert {
    condition     = { for letter, check in aws_route53_health_check.deep : letter => check.fqdn } == { a = "a.elb.example.com", b = "b.elb.example.com" }
    error_message = "the check must be about its region, whatever DNS says of the domain"
  }

  assert {
    condition     = alltrue([for check in aws_route53_health_check.deep : check.type == "HTTPS" && check.port == 443 && check.resource_path == "/health/deep" && check.enable_sni])
    error_message = "the check must ask /health/deep over HTTPS with SNI"
  }

  assert {
    condition     = alltrue([for check in concat(values(aws_route53_health_check.deep), values(aws_route53_health_check.latch)) : check.request_interval == 10 && check.failure_threshold == 3])
    error_message = "checks must be fast, 10 s x 3; the interval cannot be changed later"
  }

  assert {
    condition     = alltrue([for check in aws_route53_health_check.deep : check.invert_healthcheck != true])
    error_message = "only a latch is inverted"
  }
}

run "the_latch_is_an_inverted_check_of_an_object_in_the_other_region" {
  command = plan

  assert {
    condition     = alltrue([for check in aws_route53_health_check.latch : check.invert_healthcheck])
    error_message = "an absent object must mean healthy"
  }

  assert {
    condition     = { for letter, check in aws_route53_health_check.latch : letter => check.resource_path } == { a = "/away-from-a", b = "/away-from-b" }
    error_message = "each latch must ask for its own object"
  }

  # That anyone may read the one key, and do nothing else, is in terraform/tests (plan_checks.py, state_checks.py).
  assert {
    condition     = endswith(module.latch["a"].name, "-eu-central-1") && endswith(module.latch["b"].name, "-eu-west-1")
    error_message = "a region's latch must be in the other region"
  }
}

run "a_region_is_ok_when_both_its_checks_are" {
  command = plan

  assert {
    condition     = alltrue([for check in aws_route53_health_check.region_ok : check.type == "CALCULATED" && check.child_health_threshold == 2])
    error_message = "one of the two must not be enough"
  }
}

run "the_primary_record_is_the_active_region" {
  command = plan

  assert {
    condition     = aws_route53_record.primary["this"].alias[0].name == "a.elb.example.com" && aws_route53_record.primary["this"].alias[0].evaluate_target_health
    error_message = "the primary must be the active region's load balancer, with its health"
  }

  assert {
    condition     = aws_route53_record.secondary["this"].alias[0].name == "b.elb.example.com" && !aws_route53_record.secondary["this"].alias[0].evaluate_target_health
    error_message = "the secondary must be the pilot's, whatever its health"
  }

  assert {
    condition     = aws_route53_record.primary["this"].set_identifier == "primary" && aws_route53_record.secondary["this"].set_identifier == "secondary"
    error_message = "identifiers must never change"
  }

  assert {
    condition     = aws_route53_record.primary["this"].failover_routing_policy[0].type == "PRIMARY" && aws_route53_record.secondary["this"].failover_routing_policy[0].type == "SECONDARY"
    error_message = "the records must be a fail-over pair"
  }

  assert {
    condition     = length(aws_route53_record.only) == 0
    error_message = "a plain record cannot stand beside fail-over records"
  }
}

run "a_switch_over_exchanges_the_targets_and_nothing_else" {
  command = plan

  variables {
    active_region = "b"
  }

  assert {
    condition     = aws_route53_record.primary["this"].alias[0].name == "b.elb.example.com" && aws_route53_record.secondary["this"].alias[0].name == "a.elb.example.com"
    error_message = "the targets must be exchanged"
  }

  assert {
    condition     = aws_route53_record.primary["this"].set_identifier == "primary" && aws_route53_record.primary["this"].alias[0].evaluate_target_health && !aws_route53_record.secondary["this"].alias[0].evaluate_target_health
    error_message = "identifiers and the reading of health must stay"
  }
}

run "one_region_has_a_plain_alias_record" {
  command = plan

  variables {
    regions = {
      a = {
        region                     = "eu-west-1"
        vpc_id                     = "vpc-a"
        cidr                       = "10.10.0.0/16"
        private_cidrs              = { a = "10.10.128.0/20", b = "10.10.144.0/20" }
        private_route_table_ids    = { a = "rtb-a-a", b = "rtb-a-b" }
        task_security_group_id     = "sg-a-tasks"
        database_security_group_id = "sg-a-database"
        alb_dns_name               = "a.elb.example.com"
        alb_zone_id                = "ZA"
        database_id                = "hello-you-staging-db"
        cluster_name               = "hello-you-staging"
        service_name               = "hello-you-staging"
      }
    }
    witness_region = null
  }

  assert {
    condition     = aws_route53_record.only["a"].name == "hello.example.com" && aws_route53_record.only["a"].alias[0].name == "a.elb.example.com"
    error_message = "the domain must lead to the load balancer"
  }

  assert {
    condition = length(concat(
      values(aws_route53_record.primary), values(aws_route53_health_check.deep), values(aws_route53_health_check.latch), values(module.latch), values(module.witness),
      values(aws_vpc_peering_connection.this), values(aws_route.peering), values(aws_iam_role.operator), values(aws_cloudwatch_metric_alarm.check), values(aws_sns_topic.alarms),
    )) == 0
    error_message = "nothing for two regions may exist with one"
  }
}

run "the_zone_is_made_where_none_is_given" {
  command = plan

  assert {
    condition     = aws_route53_zone.this["this"].name == "hello.example.com"
    error_message = "the zone must be the domain's"
  }

  assert {
    condition     = aws_route53_record.validation.name == "_x.hello.example.com." && aws_route53_record.validation.type == "CNAME" && aws_route53_record.validation.records == toset(["_y.acm-validations.aws."])
    error_message = "the validation record must be what the certificate asks for"
  }
}

run "a_given_zone_is_used" {
  command = plan

  variables {
    zone_id = "Z0123456789ABC"
  }

  assert {
    condition     = length(aws_route53_zone.this) == 0 && aws_route53_record.primary["this"].zone_id == "Z0123456789ABC" && aws_route53_record.validation.zone_id == "Z0123456789ABC" && length(output.name_servers) == 0
    error_message = "the records must be in the given zone"
  }
}

run "the_peering_lets_tasks_reach_far_databases_and_nothing_else" {
  command = plan

  assert {
    condition     = aws_vpc_peering_connection.this["this"].region == "eu-west-1" && aws_vpc_peering_connection.this["this"].peer_region == "eu-central-1" && aws_vpc_peering_connection_accepter.this["this"].region == "eu-central-1"
    error_message = "a asks, b accepts"
  }

  assert {
    condition     = { for name, route in aws_route.peering : name => route.destination_cidr_block } == { "a/a" = "10.20.0.0/16", "a/b" = "10.20.0.0/16", "b/a" = "10.10.0.0/16", "b/b" = "10.10.0.0/16" }
    error_message = "each private route table must know the way to the other VPC"
  }

  assert {
    condition     = { for name, rule in aws_vpc_security_group_ingress_rule.database_from_far_tasks : name => rule.cidr_ipv4 } == { "a/a" = "10.20.128.0/20", "a/b" = "10.20.144.0/20", "b/a" = "10.10.128.0/20", "b/b" = "10.10.144.0/20" }
    error_message = "databases must let in the other region's private subnets alone"
  }

  assert {
    condition     = alltrue([for rule in concat(values(aws_vpc_security_group_ingress_rule.database_from_far_tasks), values(aws_vpc_security_group_egress_rule.tasks_to_far_database)) : rule.from_port == 5432 && rule.to_port == 5432 && rule.ip_protocol == "tcp"])
    error_message = "the only port across regions must be PostgreSQL's"
  }
}

run "the_witness_is_in_a_third_region" {
  command = plan

  assert {
    condition     = endswith(module.witness["this"].name, "-eu-north-1")
    error_message = "the lease must be in the witness region"
  }
}

run "checks_and_latches_raise_alarms_in_us_east_1" {
  command = plan

  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.check) == ["deep-a", "deep-b", "latch-a", "latch-b", "region-ok-a", "region-ok-b"]
    error_message = "each check must have its alarm"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.check : alarm.region == "us-east-1" && alarm.namespace == "AWS/Route53" && alarm.metric_name == "HealthCheckStatus" && alarm.threshold == 1 && alarm.treat_missing_data == "breaching"])
    error_message = "Route 53 reports in us-east-1 and nowhere else"
  }

  assert {
    condition     = aws_sns_topic.alarms["this"].region == "us-east-1" && aws_kms_key.alarms["this"].region == "us-east-1"
    error_message = "topic and key must be where the alarms are"
  }
}

run "the_operator_may_be_named" {
  command = plan

  variables {
    operator_principals = ["arn:aws:iam::123456789012:user/alice"]
    alarm_email         = "ops@example.com"
  }

  assert {
    condition     = jsondecode(aws_iam_role.operator["this"].assume_role_policy).Statement[0].Principal.AWS == "arn:aws:iam::123456789012:user/alice"
    error_message = "only the named principal may take on the role"
  }

  assert {
    condition     = jsondecode(aws_iam_role.operator["this"].assume_role_policy).Statement[0].Condition.Bool["aws:MultiFactorAuthPresent"] == "true"
    error_message = "and only with MFA"
  }

  assert {
    condition     = [for subscription in aws_sns_topic_subscription.email : subscription.endpoint] == ["ops@example.com"]
    error_message = "the address must be subscribed"
  }
}
