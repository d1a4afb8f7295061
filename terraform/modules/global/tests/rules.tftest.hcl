# Rules that need more than one variable (validations.tf), each broken once.

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

run "refuses_overlapping_networks" {
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
      b = {
        region                     = "eu-central-1"
        vpc_id                     = "vpc-b"
        cidr                       = "10.10.0.0/16"
        private_cidrs              = { a = "10.10.128.0/20", b = "10.10.144.0/20" }
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

  expect_failures = [terraform_data.rules]
}

# 10.15.0.0/16 lies in 10.0.0.0/12.
run "refuses_a_network_inside_the_other" {
  command = plan

  variables {
    regions = {
      a = {
        region                     = "eu-west-1"
        vpc_id                     = "vpc-a"
        cidr                       = "10.0.0.0/12"
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
        cidr                       = "10.15.0.0/16"
        private_cidrs              = { a = "10.15.128.0/20", b = "10.15.144.0/20" }
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

  expect_failures = [terraform_data.rules]
}

run "refuses_one_region_twice" {
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
      b = {
        region                     = "eu-west-1"
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

  expect_failures = [terraform_data.rules]
}

run "refuses_two_regions_without_a_witness" {
  command = plan

  variables {
    witness_region = null
  }

  expect_failures = [terraform_data.rules]
}

run "refuses_a_witness_in_one_of_the_two" {
  command = plan

  variables {
    witness_region = "eu-central-1"
  }

  expect_failures = [terraform_data.rules]
}

run "refuses_an_active_region_that_does_not_exist" {
  command = plan

  variables {
    active_region = "b"
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
  }

  expect_failures = [terraform_data.rules]
}
