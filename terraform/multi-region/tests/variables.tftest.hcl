# Every rule on a variable, with a value that breaks that rule and no other. The healthy values stand first. These need no
# provider and no resource: terraform/tests/run.py runs them with variables.tf alone, in seconds.

variables {
  image            = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  github_user      = "octo"
  github_token     = "planted-github-token"
  domain           = "hello.example.com"
  admin_cidr       = "203.0.113.7/32"
  admin_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"
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

run "refuses_a_zone_for_region_a" {
  command = plan

  variables {
    region_a = "eu-west-1a"
  }

  expect_failures = [var.region_a]
}

run "refuses_a_zone_for_region_b" {
  command = plan

  variables {
    region_b = "eu-central-1a"
  }

  expect_failures = [var.region_b]
}

run "refuses_one_region_twice" {
  command = plan

  variables {
    region_b = "eu-west-1"
  }

  expect_failures = [var.region_b]
}

run "refuses_a_zone_for_the_witness" {
  command = plan

  variables {
    witness_region = "eu-north-1a"
  }

  expect_failures = [var.witness_region]
}

run "refuses_a_witness_in_region_a" {
  command = plan

  variables {
    witness_region = "eu-west-1"
  }

  expect_failures = [var.witness_region]
}

run "refuses_a_witness_in_region_b" {
  command = plan

  variables {
    witness_region = "eu-central-1"
  }

  expect_failures = [var.witness_region]
}

run "refuses_an_active_region_by_its_aws_name" {
  command = plan

  variables {
    active_region = "eu-west-1"
  }

  expect_failures = [var.active_region]
}

run "refuses_a_third_origin" {
  command = plan

  variables {
    database_origin = "c"
  }

  expect_failures = [var.database_origin]
}

run "refuses_a_network_a_with_host_bits" {
  command = plan

  variables {
    vpc_cidr_a = "10.10.0.1/16"
  }

  expect_failures = [var.vpc_cidr_a]
}

run "refuses_a_network_b_with_host_bits" {
  command = plan

  variables {
    vpc_cidr_b = "10.20.0.1/16"
  }

  expect_failures = [var.vpc_cidr_b]
}

run "refuses_the_same_network_twice" {
  command = plan

  variables {
    vpc_cidr_b = "10.10.0.0/16"
  }

  expect_failures = [var.vpc_cidr_b]
}

run "refuses_a_network_inside_the_other" {
  command = plan

  variables {
    vpc_cidr_b = "10.10.16.0/20"
  }

  expect_failures = [var.vpc_cidr_b]
}

run "refuses_a_single_zone_in_a" {
  command = plan

  variables {
    availability_zones_a = ["a"]
  }

  expect_failures = [var.availability_zones_a]
}

run "refuses_a_zone_by_its_full_name_in_b" {
  command = plan

  variables {
    availability_zones_b = ["eu-central-1a", "eu-central-1b"]
  }

  expect_failures = [var.availability_zones_b]
}

run "refuses_an_empty_domain" {
  command = plan

  variables {
    domain = ""
  }

  expect_failures = [var.domain]
}

run "refuses_an_interface_endpoint_for_s3" {
  command = plan

  variables {
    interface_endpoints = ["s3"]
  }

  expect_failures = [var.interface_endpoints]
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

run "refuses_an_image_by_tag" {
  command = plan

  variables {
    image = "ghcr.io/hello-you/hello-you:latest"
  }

  expect_failures = [var.image]
}

run "refuses_a_user_that_github_would_not_have" {
  command = plan

  variables {
    github_user = "-octo"
  }

  expect_failures = [var.github_user]
}

run "refuses_a_token_that_is_none" {
  command = plan

  variables {
    github_token = "short"
  }

  expect_failures = [var.github_token]
}

run "refuses_a_task_size_that_fargate_lacks" {
  command = plan

  variables {
    task_size = { cpu = 256, memory = 4096 }
  }

  expect_failures = [var.task_size]
}

run "refuses_an_unknown_architecture" {
  command = plan

  variables {
    architecture = "RISCV"
  }

  expect_failures = [var.architecture]
}

run "refuses_a_maximum_below_the_minimum" {
  command = plan

  variables {
    tasks = { min = 4, max = 3 }
  }

  expect_failures = [var.tasks]
}

run "refuses_no_task" {
  command = plan

  variables {
    tasks = { min = 0, max = 3 }
  }

  expect_failures = [var.tasks]
}

run "refuses_a_pool_that_the_program_refuses" {
  command = plan

  variables {
    pool_size = 3
  }

  expect_failures = [var.pool_size]
}

run "refuses_february_30" {
  command = plan

  variables {
    leap_day = "feb30"
  }

  expect_failures = [var.leap_day]
}

run "refuses_timeline_zero" {
  command = plan

  variables {
    min_timeline = 0
  }

  expect_failures = [var.min_timeline]
}

run "refuses_a_reserved_user" {
  command = plan

  variables {
    database_user = "rdsadmin"
  }

  expect_failures = [var.database_user]
}

run "refuses_postgres_14" {
  command = plan

  variables {
    postgres_version = "14"
  }

  expect_failures = [var.postgres_version]
}

run "refuses_an_ec2_class_for_a_database" {
  command = plan

  variables {
    database_instance_class = "t4g.medium"
  }

  expect_failures = [var.database_instance_class]
}

run "refuses_storage_below_gp3" {
  command = plan

  variables {
    database_storage_gib = { initial = 10, max = 100 }
  }

  expect_failures = [var.database_storage_gib]
}

run "refuses_too_few_connections" {
  command = plan

  variables {
    max_connections = 10
  }

  expect_failures = [var.max_connections]
}

run "refuses_a_path_for_a_certificate" {
  command = plan

  variables {
    database_ca_pem = "/etc/ssl/ca.pem"
  }

  expect_failures = [var.database_ca_pem]
}

run "refuses_secret_version_zero" {
  command = plan

  variables {
    secret_versions = { database = 0 }
  }

  expect_failures = [var.secret_versions]
}

run "refuses_a_bastion_for_nobody" {
  command = plan

  variables {
    admin_cidr = null
  }

  expect_failures = [var.admin_cidr]
}

run "refuses_a_cold_pilot" {
  command = plan

  variables {
    tasks = { min = 2, max = 6, pilot_min = 0 }
  }

  expect_failures = [var.tasks]
}

run "refuses_ssh_from_a_wider_range" {
  command = plan

  variables {
    admin_cidr = "203.0.113.0/24"
  }

  expect_failures = [var.admin_cidr]
}

run "refuses_ssh_from_host_bits_in_a_wider_range" {
  command = plan

  variables {
    admin_cidr = "203.0.113.7/24"
  }

  expect_failures = [var.admin_cidr]
}

run "refuses_ssh_from_the_whole_internet" {
  command = plan

  variables {
    admin_cidr = "0.0.0.0/0"
  }

  expect_failures = [var.admin_cidr]
}

run "refuses_ssh_from_the_unspecified_address" {
  command = plan

  variables {
    admin_cidr = "0.0.0.0/32"
  }

  expect_failures = [var.admin_cidr]
}

run "refuses_ssh_from_an_ipv6_address" {
  command = plan

  variables {
    admin_cidr = "2001:db8::7/128"
  }

  expect_failures = [var.admin_cidr]
}

run "refuses_ssh_from_an_address_without_a_length" {
  command = plan

  variables {
    admin_cidr = "203.0.113.7"
  }

  expect_failures = [var.admin_cidr]
}

run "refuses_ssh_from_an_address_that_does_not_exist" {
  command = plan

  variables {
    admin_cidr = "203.0.113.256/32"
  }

  expect_failures = [var.admin_cidr]
}

run "refuses_a_bastion_without_a_key" {
  command = plan

  variables {
    admin_public_key = null
  }

  expect_failures = [var.admin_public_key]
}

run "refuses_an_address_without_an_at" {
  command = plan

  variables {
    alarm_email = "ops"
  }

  expect_failures = [var.alarm_email]
}

run "refuses_a_retention_that_cloudwatch_lacks" {
  command = plan

  variables {
    log_retention_days = 45
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_an_operator_that_is_no_principal" {
  command = plan

  variables {
    operator_principals = ["alice"]
  }

  expect_failures = [var.operator_principals]
}

run "refuses_a_name_that_aws_keeps_for_itself" {
  command = plan

  variables {
    name = "internal-api"
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

run "refuses_a_token_with_a_line_break" {
  command = plan

  variables {
    github_token = "planted-github-token\n"
  }

  expect_failures = [var.github_token]
}

run "refuses_a_task_of_no_size" {
  command = plan

  variables {
    task_size = { cpu = null, memory = 512 }
  }

  expect_failures = [var.task_size]
}

run "refuses_half_a_task" {
  command = plan

  variables {
    tasks = { min = 2, max = 2.5 }
  }

  expect_failures = [var.tasks]
}

run "refuses_no_number_of_tasks" {
  command = plan

  variables {
    tasks = { min = null, max = 2 }
  }

  expect_failures = [var.tasks]
}

run "refuses_half_a_timeline" {
  command = plan

  variables {
    min_timeline = 1.5
  }

  expect_failures = [var.min_timeline]
}

run "refuses_the_names_of_postgresql_itself" {
  command = plan

  variables {
    database_user = "pg_monitor"
  }

  expect_failures = [var.database_user]
}

run "refuses_storage_that_can_hardly_grow" {
  command = plan

  variables {
    database_storage_gib = { initial = 100, max = 105 }
  }

  expect_failures = [var.database_storage_gib]
}

run "refuses_no_storage" {
  command = plan

  variables {
    database_storage_gib = { initial = null, max = 100 }
  }

  expect_failures = [var.database_storage_gib]
}

run "refuses_half_a_connection" {
  command = plan

  variables {
    max_connections = 300.5
  }

  expect_failures = [var.max_connections]
}

run "refuses_a_certificate_without_an_end" {
  command = plan

  variables {
    database_ca_pem = "-----BEGIN CERTIFICATE-----\nMIIB\n"
  }

  expect_failures = [var.database_ca_pem]
}

run "refuses_a_secret_version_beyond_all_counting" {
  command = plan

  variables {
    secret_versions = { registry = 1000001 }
  }

  expect_failures = [var.secret_versions]
}

run "refuses_two_keys_in_one" {
  command = plan

  variables {
    admin_public_key = "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two"
  }

  expect_failures = [var.admin_public_key]
}

run "refuses_a_key_that_ec2_does_not_take" {
  command = plan

  variables {
    admin_public_key = "ecdsa-sha2-nistp256 AAAA"
  }

  expect_failures = [var.admin_public_key]
}

run "refuses_an_address_with_a_line_break" {
  command = plan

  variables {
    alarm_email = "ops@example.com\nx"
  }

  expect_failures = [var.alarm_email]
}

run "refuses_a_public_range_for_a" {
  command = plan

  variables {
    vpc_cidr_a = "8.8.0.0/16"
  }

  expect_failures = [var.vpc_cidr_a]
}

run "refuses_a_public_range_for_b" {
  command = plan

  variables {
    vpc_cidr_b = "8.8.0.0/16"
  }

  expect_failures = [var.vpc_cidr_b]
}
