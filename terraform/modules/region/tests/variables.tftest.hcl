# Every rule on a variable, with a value that breaks that rule and no other. The healthy values stand first. These need no
# provider and no resource: terraform/tests/run.py runs them with variables.tf alone, in seconds.

variables {
  environment  = "staging"
  region       = "eu-west-1"
  network      = { cidr = "10.10.0.0/16" }
  domain       = "hello.example.com"
  service      = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  github_user  = "octo"
  github_token = "planted-github-token"
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

run "refuses_a_zone_for_a_region" {
  command = plan

  variables {
    region = "eu-west-1a"
  }

  expect_failures = [var.region]
}

run "refuses_a_third_role" {
  command = plan

  variables {
    role = "standby"
  }

  expect_failures = [var.role]
}

run "refuses_a_network_with_host_bits" {
  command = plan

  variables {
    network = { cidr = "10.10.0.1/16" }
  }

  expect_failures = [var.network]
}

run "refuses_a_network_that_is_too_large" {
  command = plan

  variables {
    network = { cidr = "10.0.0.0/8" }
  }

  expect_failures = [var.network]
}

run "refuses_a_network_that_is_too_small" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/24" }
  }

  expect_failures = [var.network]
}

run "refuses_an_ipv6_network" {
  command = plan

  variables {
    network = { cidr = "2001:db8::/56" }
  }

  expect_failures = [var.network]
}

run "refuses_a_zone_by_its_full_name" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", availability_zones = ["eu-west-1a", "eu-west-1b"] }
  }

  expect_failures = [var.network]
}

run "refuses_a_single_zone" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", availability_zones = ["a"] }
  }

  expect_failures = [var.network]
}

run "refuses_an_interface_endpoint_for_s3" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", interface_endpoints = ["s3"] }
  }

  expect_failures = [var.network]
}

run "refuses_a_load_balancer_for_nobody" {
  command = plan

  variables {
    load_balancer = { ingress_cidrs = [] }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_less_than_one_healthy_target" {
  command = plan

  variables {
    load_balancer = { minimum_healthy_targets = 0 }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_a_long_deregistration_delay" {
  command = plan

  variables {
    load_balancer = { deregistration_delay = 300 }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_access_logs_kept_for_no_day" {
  command = plan

  variables {
    load_balancer = { log_retention_days = 0 }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_a_rate_limit_below_that_of_waf" {
  command = plan

  variables {
    load_balancer = { waf_rate_limit = 5 }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_a_domain_with_a_trailing_dot" {
  command = plan

  variables {
    domain = "hello.example.com."
  }

  expect_failures = [var.domain]
}

run "refuses_an_empty_validation_name" {
  command = plan

  variables {
    certificate_validation_fqdns = [""]
  }

  expect_failures = [var.certificate_validation_fqdns]
}

run "refuses_an_image_by_tag" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you:latest" }
  }

  expect_failures = [var.service]
}

run "refuses_an_image_of_another_registry" {
  command = plan

  variables {
    service = { image = "docker.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }

  expect_failures = [var.service]
}

run "refuses_a_task_size_that_fargate_lacks" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", cpu = 256, memory = 4096 }
  }

  expect_failures = [var.service]
}

run "refuses_an_unknown_architecture" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", architecture = "RISCV" }
  }

  expect_failures = [var.service]
}

run "refuses_a_negative_spot_weight" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", spot_weight = -1 }
  }

  expect_failures = [var.service]
}

run "refuses_a_pool_that_the_program_refuses" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", pool_size = 3 }
  }

  expect_failures = [var.service]
}

run "refuses_a_grace_that_is_all_delay" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", drain_delay = 20, shutdown_grace = 20 }
  }

  expect_failures = [var.service]
}

run "refuses_a_grace_that_fargate_would_cut" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", shutdown_grace = 116 }
  }

  expect_failures = [var.service]
}

run "refuses_a_leap_day_in_february_30" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", leap_day = "feb30" }
  }

  expect_failures = [var.service]
}

run "refuses_timeline_zero" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", min_timeline = 0 }
  }

  expect_failures = [var.service]
}

run "refuses_a_cold_pilot" {
  command = plan

  variables {
    scaling = { pilot_min = 0 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_maximum_below_the_minimum" {
  command = plan

  variables {
    scaling = { active_min = 4, max = 3 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_negative_on_demand_base" {
  command = plan

  variables {
    scaling = { on_demand_base = -1 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_cpu_target_of_95_percent" {
  command = plan

  variables {
    scaling = { cpu_percent = 95 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_request_target_of_none" {
  command = plan

  variables {
    scaling = { requests_per_target = 0 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_negative_number_of_far_tasks" {
  command = plan

  variables {
    scaling = { max_tasks_other_region = -1 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_database_name_with_a_hyphen" {
  command = plan

  variables {
    database = { name = "hello-you" }
  }

  expect_failures = [var.database]
}

run "refuses_a_reserved_user" {
  command = plan

  variables {
    database = { user = "rdsadmin" }
  }

  expect_failures = [var.database]
}

run "refuses_postgres_14" {
  command = plan

  variables {
    database = { postgres_version = "14" }
  }

  expect_failures = [var.database]
}

run "refuses_an_ec2_class_for_a_database" {
  command = plan

  variables {
    database = { instance_class = "t4g.medium" }
  }

  expect_failures = [var.database]
}

run "refuses_storage_below_gp3" {
  command = plan

  variables {
    database = { allocated_storage = 10 }
  }

  expect_failures = [var.database]
}

run "refuses_a_storage_limit_below_the_storage" {
  command = plan

  variables {
    database = { allocated_storage = 50, max_allocated_storage = 40 }
  }

  expect_failures = [var.database]
}

run "refuses_too_few_connections" {
  command = plan

  variables {
    database = { max_connections = 10 }
  }

  expect_failures = [var.database]
}

run "refuses_a_database_without_backups" {
  command = plan

  variables {
    database = { backup_retention_days = 0 }
  }

  expect_failures = [var.database]
}

run "refuses_a_backup_that_runs_into_midnight" {
  command = plan

  variables {
    database = { backup_hour = 22 }
  }

  expect_failures = [var.database]
}

run "refuses_to_log_every_statement" {
  command = plan

  variables {
    database = { slow_query_ms = 0 }
  }

  expect_failures = [var.database]
}

run "refuses_an_unknown_authority" {
  command = plan

  variables {
    database = { ca_identifier = "letsencrypt" }
  }

  expect_failures = [var.database]
}

run "refuses_a_path_for_a_certificate" {
  command = plan

  variables {
    database = { ca_pem = "/etc/ssl/ca.pem" }
  }

  expect_failures = [var.database]
}

run "refuses_an_interval_that_rds_lacks" {
  command = plan

  variables {
    database = { monitoring_interval = 20 }
  }

  expect_failures = [var.database]
}

run "refuses_a_source_that_is_no_database" {
  command = plan

  variables {
    database_source_arn = "arn:aws:s3:::bucket"
  }

  expect_failures = [var.database_source_arn]
}

run "refuses_a_comma_in_a_host" {
  command = plan

  variables {
    far_database_hosts = ["one,two"]
  }

  expect_failures = [var.far_database_hosts]
}

run "refuses_secret_version_zero" {
  command = plan

  variables {
    secrets = { versions = { database = 0 } }
  }

  expect_failures = [var.secrets]
}

run "refuses_a_short_recovery_window" {
  command = plan

  variables {
    secrets = { recovery_days = 1 }
  }

  expect_failures = [var.secrets]
}

run "refuses_an_unknown_home" {
  command = plan

  variables {
    secrets = { home_region = "home" }
  }

  expect_failures = [var.secrets]
}

run "refuses_a_replica_in_no_region" {
  command = plan

  variables {
    secret_replica = { region = "there", kms_key_id = "key" }
  }

  expect_failures = [var.secret_replica]
}

run "refuses_home_secrets_that_lack_one" {
  command = plan

  variables {
    home_secrets = { arns = { registry = "arn" }, database_version_id = "1" }
  }

  expect_failures = [var.home_secrets]
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

run "refuses_a_bastion_for_nobody" {
  command = plan

  variables {
    bastion = { public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_a_bastion_without_a_key" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.7/32" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_a_wider_range" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.0/24", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_host_bits_in_a_wider_range" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.7/24", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_the_whole_internet" {
  command = plan

  variables {
    bastion = { admin_cidr = "0.0.0.0/0", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_the_unspecified_address" {
  command = plan

  variables {
    bastion = { admin_cidr = "0.0.0.0/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_an_ipv6_address" {
  command = plan

  variables {
    bastion = { admin_cidr = "2001:db8::7/128", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_an_ipv6_range_of_32_bits" {
  command = plan

  variables {
    bastion = { admin_cidr = "2001:db8::/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_an_address_without_a_length" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.7", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_an_address_that_does_not_exist" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.256/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_an_address_with_leading_zeros" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.007/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_a_host_name" {
  command = plan

  variables {
    bastion = { admin_cidr = "bastion.example.com/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_two_addresses" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.7/32,203.0.113.8/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_ssh_from_an_empty_text" {
  command = plan

  variables {
    bastion = { admin_cidr = "", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  expect_failures = [var.bastion]
}

run "refuses_a_bastion_of_another_architecture" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.7/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ", instance_type = "t3.nano" }
  }

  expect_failures = [var.bastion]
}

run "refuses_a_retention_that_cloudwatch_lacks" {
  command = plan

  variables {
    log_retention_days = 45
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_an_address_without_an_at" {
  command = plan

  variables {
    alarms = { email = "ops" }
  }

  expect_failures = [var.alarms]
}

run "refuses_a_threshold_of_zero" {
  command = plan

  variables {
    alarms = { p99_seconds = 0 }
  }

  expect_failures = [var.alarms]
}

# 6 tasks, twice during a deployment, with 8 connections each are 96, and 15 are kept free.
run "refuses_a_name_that_aws_keeps_for_itself" {
  command = plan

  variables {
    name = "internal"
  }

  expect_failures = [var.name]
}

run "refuses_a_public_network" {
  command = plan

  variables {
    network = { cidr = "8.8.0.0/16" }
  }

  expect_failures = [var.network]
}

run "refuses_a_network_that_is_no_address" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0" }
  }

  expect_failures = [var.network]
}

run "refuses_half_a_second_of_deregistration" {
  command = plan

  variables {
    load_balancer = { deregistration_delay = 5.5 }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_checks_faster_than_the_load_balancer_makes" {
  command = plan

  variables {
    load_balancer = { health_check = { interval = 4, timeout = 2 } }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_a_check_that_waits_longer_than_its_interval" {
  command = plan

  variables {
    load_balancer = { health_check = { interval = 10, timeout = 10 } }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_a_verdict_after_one_check" {
  command = plan

  variables {
    load_balancer = { health_check = { healthy_threshold = 1 } }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_a_domain_too_long_for_a_certificate" {
  command = plan

  variables {
    domain = "a-name-that-goes-on-and-on.and-has-many-parts.each-of-which-is-short.example.com"
  }

  expect_failures = [var.domain]
}

run "refuses_half_a_second_of_drain" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", drain_delay = 0.5 }
  }

  expect_failures = [var.service]
}

run "refuses_half_a_timeline" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", min_timeline = 1.5 }
  }

  expect_failures = [var.service]
}

run "refuses_half_a_task" {
  command = plan

  variables {
    scaling = { max = 6.5 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_negative_cooldown" {
  command = plan

  variables {
    scaling = { out_cooldown = -1 }
  }

  expect_failures = [var.scaling]
}

run "refuses_storage_that_can_hardly_grow" {
  command = plan

  variables {
    database = { allocated_storage = 100, max_allocated_storage = 105 }
  }

  expect_failures = [var.database]
}

run "refuses_storage_beyond_that_of_rds" {
  command = plan

  variables {
    database = { max_allocated_storage = 65537 }
  }

  expect_failures = [var.database]
}

run "refuses_half_a_connection" {
  command = plan

  variables {
    database = { max_connections = 300.5 }
  }

  expect_failures = [var.database]
}

run "refuses_a_certificate_without_an_end" {
  command = plan

  variables {
    database = { ca_pem = "-----BEGIN CERTIFICATE-----\nMIIB\n" }
  }

  expect_failures = [var.database]
}

run "refuses_a_secret_version_beyond_all_counting" {
  command = plan

  variables {
    secrets = { versions = { registry = 1000001 } }
  }

  expect_failures = [var.secrets]
}

run "refuses_a_token_with_a_line_break" {
  command = plan

  variables {
    github_token = "planted-github-token\n"
  }

  expect_failures = [var.github_token]
}

run "refuses_two_keys_in_one" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.7/32", public_key = "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two" }
  }

  expect_failures = [var.bastion]
}

run "refuses_a_key_that_ec2_does_not_take" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.7/32", public_key = "ecdsa-sha2-nistp256 AAAA" }
  }

  expect_failures = [var.bastion]
}

run "refuses_an_address_with_a_line_break" {
  command = plan

  variables {
    alarms = { email = "ops@example.com\nx" }
  }

  expect_failures = [var.alarms]
}

run "refuses_a_zone_that_is_nothing" {
  command = plan

  variables {
    network = { cidr = "10.10.0.0/16", availability_zones = ["a", null] }
  }

  expect_failures = [var.network]
}

run "refuses_clients_with_host_bits" {
  command = plan

  variables {
    load_balancer = { ingress_cidrs = ["10.0.0.1/8"] }
  }

  expect_failures = [var.load_balancer]
}

run "refuses_a_threshold_above_all_there_is" {
  command = plan

  variables {
    alarms = { database_cpu_percent = 101 }
  }

  expect_failures = [var.alarms]
}

run "refuses_an_address_for_many" {
  command = plan

  variables {
    bastion = { admin_cidr = "224.0.0.1/32", public_key = "ssh-ed25519 AAAA" }
  }

  expect_failures = [var.bastion]
}

run "refuses_a_secret_replica_without_a_key" {
  command = plan

  variables {
    secret_replica = { region = "eu-central-1", kms_key_id = null }
  }

  expect_failures = [var.secret_replica]
}
