# Every rule on a variable, with a value that breaks that rule and no other. The healthy values stand first. These need no
# provider and no resource: terraform/tests/run.py runs them with variables.tf alone, in seconds.

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

run "refuses_a_name_with_capitals" {
  command = plan

  variables {
    name = "Hello"
  }

  expect_failures = [var.name]
}

run "refuses_a_name_that_leaves_no_room" {
  command = plan

  variables {
    name = "hello-you-and-me"
  }

  expect_failures = [var.name]
}

run "refuses_an_unknown_environment" {
  command = plan

  variables {
    environment = "prod"
  }

  expect_failures = [var.environment]
}

run "refuses_a_domain_with_a_trailing_dot" {
  command = plan

  variables {
    domain = "hello.example.com."
  }

  expect_failures = [var.domain]
}

run "refuses_a_zone_by_name" {
  command = plan

  variables {
    zone_id = "example.com"
  }

  expect_failures = [var.zone_id]
}

run "refuses_an_active_region_by_its_aws_name" {
  command = plan

  variables {
    active_region = "eu-west-1"
  }

  expect_failures = [var.active_region]
}

run "refuses_a_witness_that_is_no_region" {
  command = plan

  variables {
    witness_region = "moon"
  }

  expect_failures = [var.witness_region]
}

run "refuses_an_operator_that_is_no_principal" {
  command = plan

  variables {
    operator_principals = ["alice"]
  }

  expect_failures = [var.operator_principals]
}

run "refuses_an_address_without_an_at" {
  command = plan

  variables {
    alarm_email = "ops"
  }

  expect_failures = [var.alarm_email]
}

run "refuses_a_region_b_alone" {
  command = plan

  variables {
    regions = {
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

  expect_failures = [var.regions]
}

run "refuses_a_name_that_aws_keeps_for_itself" {
  command = plan

  variables {
    name = "sg"
  }

  expect_failures = [var.name]
}

run "refuses_a_domain_too_long_for_a_certificate" {
  command = plan

  variables {
    domain = "a-name-that-goes-on-and-on.and-has-many-parts.each-of-which-is-short.example.com"
  }

  expect_failures = [var.domain]
}
