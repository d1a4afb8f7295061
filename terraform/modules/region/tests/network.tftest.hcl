# VPC, subnets, gateways, endpoints.

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

run "the_vpc_resolves_names" {
  command = plan

  assert {
    condition     = aws_vpc.this.enable_dns_support && aws_vpc.this.enable_dns_hostnames
    error_message = "the VPC must have DNS support and host names: RDS and the load balancer are found by name"
  }
}

run "two_zones_have_a_public_and_a_private_subnet_each" {
  command = plan

  assert {
    condition     = { for zone, subnet in aws_subnet.public : zone => subnet.cidr_block } == { a = "10.10.0.0/20", b = "10.10.16.0/20" }
    error_message = "public subnets must be the first sixteenths, by the zone's letter"
  }

  assert {
    condition     = { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } == { a = "10.10.128.0/20", b = "10.10.144.0/20" }
    error_message = "private subnets must be the ninth and the following sixteenths, by the zone's letter"
  }

  assert {
    condition     = { for zone, subnet in aws_subnet.private : zone => subnet.availability_zone } == { a = "eu-west-1a", b = "eu-west-1b" }
    error_message = "each subnet must be in the zone of its letter"
  }

  assert {
    condition     = alltrue([for subnet in concat(values(aws_subnet.public), values(aws_subnet.private)) : !subnet.map_public_ip_on_launch])
    error_message = "no subnet may give public addresses by itself"
  }
}

run "a_third_zone_moves_no_other" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", availability_zones = ["a", "b", "c"] }
  }

  assert {
    condition     = { for zone, subnet in aws_subnet.public : zone => subnet.cidr_block } == { a = "10.10.0.0/20", b = "10.10.16.0/20", c = "10.10.32.0/20" }
    error_message = "the public subnets of the other zones must keep their ranges"
  }

  assert {
    condition     = { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } == { a = "10.10.128.0/20", b = "10.10.144.0/20", c = "10.10.160.0/20" }
    error_message = "the private subnets of the other zones must keep their ranges"
  }
}

run "a_zone_in_the_middle_moves_no_other_either" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", availability_zones = ["a", "c"] }
  }

  assert {
    condition     = { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } == { a = "10.10.128.0/20", c = "10.10.160.0/20" }
    error_message = "a range must follow from the zone's letter, not from its place in the list"
  }
}

run "every_zone_and_tier_has_its_own_route_table" {
  command = plan

  assert {
    condition     = keys(aws_route_table.public) == ["a", "b"] && keys(aws_route_table.private) == ["a", "b"]
    error_message = "there must be a route table per tier and zone"
  }

  assert {
    condition     = keys(aws_route_table_association.public) == ["a", "b"] && keys(aws_route_table_association.private) == ["a", "b"]
    error_message = "each route table must be associated with its subnet"
  }

  assert {
    condition     = alltrue([for route in concat(values(aws_route.public_internet), values(aws_route.private_internet)) : route.destination_cidr_block == "0.0.0.0/0"])
    error_message = "each route table must have its way out"
  }
}

run "one_nat_gateway_serves_all_zones_by_default" {
  command = plan

  assert {
    condition     = keys(aws_nat_gateway.this) == ["a"] && keys(aws_eip.nat) == ["a"]
    error_message = "there must be one NAT gateway, in the first zone"
  }
}

run "a_nat_gateway_in_each_zone_on_request" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", nat_gateway_per_az = true }
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["a", "b"]
    error_message = "each zone must have its own NAT gateway"
  }
}

run "s3_is_reached_by_gateway_and_nothing_else_by_endpoint" {
  command = plan

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3.service_name == "com.amazonaws.eu-west-1.s3"
    error_message = "S3 must have its gateway endpoint"
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && length(aws_security_group.endpoints) == 0
    error_message = "interface endpoints cost by the hour and must be asked for"
  }
}

run "interface_endpoints_on_request" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", interface_endpoints = ["logs", "secretsmanager"] }
  }

  assert {
    condition     = [for endpoint in aws_vpc_endpoint.interface : endpoint.service_name] == ["com.amazonaws.eu-west-1.logs", "com.amazonaws.eu-west-1.secretsmanager"]
    error_message = "each named service must have an interface endpoint in the region"
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "the services' own names must lead to the endpoints"
  }
}

run "an_endpoint_for_session_manager_does_not_cut_the_bastion_off" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", interface_endpoints = ["ssm", "ssmmessages"] }
    bastion = { admin_cidr = "203.0.113.7/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints_from_tasks["this"].from_port == 443 && aws_vpc_security_group_ingress_rule.endpoints_from_bastion["this"].from_port == 443
    error_message = "an endpoint takes the service's name over for the bastion, too, so it must let the bastion in"
  }
}

run "the_default_security_group_is_empty" {
  command = plan

  assert {
    condition     = length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0
    error_message = "the default security group must have no rule"
  }
}

run "flow_logs_see_all_traffic_every_minute" {
  command = plan

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_flow_log.this.max_aggregation_interval == 60
    error_message = "flow logs must have accepted and refused traffic, by the minute"
  }
}

run "every_regional_resource_is_in_its_region" {
  command = plan

  variables {
    region = "eu-central-1"
  }

  assert {
    condition = alltrue([
      for region in [
        aws_vpc.this.region, aws_subnet.public["a"].region, aws_lb.this.region, aws_ecs_cluster.this.region, aws_db_instance.primary.region,
        aws_kms_key.this.region, aws_sns_topic.alarms.region, aws_cloudwatch_metric_alarm.this["target-5xx"].region, aws_lb_target_group.this.region,
      ] : region == "eu-central-1"
    ])
    error_message = "a resource must be in the module's region, not in the provider's"
  }
}
