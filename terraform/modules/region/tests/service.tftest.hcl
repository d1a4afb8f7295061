# Cluster, task definition, service, scaling.

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

run "the_task_runs_on_fargate_as_nobody_with_read_only_disk" {
  command = plan

  assert {
    condition     = aws_ecs_task_definition.this.requires_compatibilities == toset(["FARGATE"]) && aws_ecs_task_definition.this.network_mode == "awsvpc"
    error_message = "the task must be a Fargate task"
  }

  assert {
    condition     = aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "X86_64"
    error_message = "x86 must be the default"
  }

  assert {
    condition     = local.container.user == "65532:65532" && local.container.readonlyRootFilesystem && local.container.linuxParameters.capabilities.drop == ["ALL"]
    error_message = "the container must have neither root nor a writable disk nor capabilities"
  }

  assert {
    condition     = local.container.image == var.service.image
    error_message = "the image must be the one asked for, by digest"
  }

  assert {
    condition     = local.container.healthCheck.command == ["CMD", "/hello-you", "healthcheck"]
    error_message = "the check must need no shell"
  }
}

run "arm_on_request" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", architecture = "ARM64" }
  }

  assert {
    condition     = aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64"
    error_message = "the processor must be the one asked for"
  }
}

run "the_stop_timeout_covers_the_grace" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", drain_delay = 10, shutdown_grace = 40 }
  }

  assert {
    condition     = local.container.stopTimeout == 45 && local.container.stopTimeout <= 120
    error_message = "the program must be able to end by itself before Fargate kills it"
  }

  assert {
    condition     = local.environment.HELLO_DRAIN_DELAY == "10s" && local.environment.HELLO_SHUTDOWN_GRACE == "40s"
    error_message = "the program must know both times"
  }
}

run "optional_settings_are_absent_by_default" {
  command = plan

  assert {
    condition     = length(setintersection(["DB_FAR_HOSTS", "DB_CA_PEM", "MIN_TIMELINE"], keys(local.environment))) == 0
    error_message = "what was not asked for must not be in the environment"
  }
}

run "optional_settings_reach_the_program" {
  command = plan

  variables {
    service            = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", min_timeline = 3, leap_day = "mar01", pool_size = 4 }
    far_database_hosts = ["one.example.com", "two.example.com"]
    database           = { ca_pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" }
  }

  assert {
    condition     = local.environment.DB_FAR_HOSTS == "one.example.com,two.example.com"
    error_message = "the other region's hosts must be in order, separated by commas"
  }

  assert {
    condition     = local.environment.MIN_TIMELINE == "3" && local.environment.HELLO_LEAP_DAY == "mar01" && local.environment.DB_POOL_SIZE == "4"
    error_message = "settings must reach the program as text"
  }

  assert {
    condition     = startswith(local.environment.DB_CA_PEM, "-----BEGIN CERTIFICATE-----")
    error_message = "the authority must reach the program as PEM text"
  }
}

run "rotating_a_secret_makes_a_new_revision" {
  command = plan

  variables {
    secrets = { versions = { administrator = 2 } }
  }

  assert {
    condition     = local.environment.HELLO_SECRETS_VERSION == "administrator=2 application=1 database=1 registry=1"
    error_message = "the versions must be in the plain environment, so that a rotation rolls the tasks"
  }
}

run "deployments_keep_capacity_and_roll_back" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_maximum_percent == 200
    error_message = "new tasks must be healthy before old ones go"
  }

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "tasks that do not start must be rolled back"
  }

  assert {
    condition     = aws_ecs_service.this.alarms[0].enable && aws_ecs_service.this.alarms[0].rollback && aws_ecs_service.this.alarms[0].alarm_names == toset(["hello-you-staging-target-5xx", "hello-you-staging-latency-p99"])
    error_message = "tasks that answer badly must be rolled back"
  }

  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip && !aws_ecs_service.this.enable_execute_command
    error_message = "tasks must have no public address and no shell"
  }
}

run "all_tasks_are_on_demand_by_default" {
  command = plan

  assert {
    condition     = [for strategy in aws_ecs_service.this.capacity_provider_strategy : strategy.capacity_provider] == ["FARGATE"]
    error_message = "spot capacity must be asked for"
  }
}

run "spot_capacity_comes_on_top_of_an_on_demand_base" {
  command = plan

  variables {
    service = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", spot_weight = 3 }
  }

  assert {
    condition     = { for strategy in aws_ecs_service.this.capacity_provider_strategy : strategy.capacity_provider => coalesce(strategy.base, 0) } == { FARGATE = 2, FARGATE_SPOT = 0 }
    error_message = "the first tasks must be on demand"
  }
}

run "container_insights_is_on" {
  command = plan

  assert {
    condition     = [for setting in aws_ecs_cluster.this.setting : "${setting.name}=${setting.value}"] == ["containerInsights=enabled"]
    error_message = "the alarm on running tasks needs Container Insights"
  }
}

run "the_active_region_keeps_its_minimum" {
  command = plan

  assert {
    condition     = aws_appautoscaling_target.service.min_capacity == 2 && aws_appautoscaling_target.service.max_capacity == 6 && aws_ecs_service.this.desired_count == 2
    error_message = "the active region must begin with its minimum"
  }
}

run "the_pilot_keeps_one_warm_task_and_can_grow_as_far" {
  command = plan

  variables {
    role = "pilot"
  }

  assert {
    condition     = aws_appautoscaling_target.service.min_capacity == 1 && aws_appautoscaling_target.service.max_capacity == 6
    error_message = "the pilot must keep one task warm and reach the active's maximum"
  }

  assert {
    condition     = aws_ecs_service.this.name == "hello-you-staging" && aws_db_instance.primary.identifier == "hello-you-staging-db" && aws_lb.this.name == "hello-you-staging-alb"
    error_message = "no name may depend on the role"
  }
}

run "scaling_follows_cpu_memory_and_requests" {
  command = plan

  assert {
    condition = { for name, policy in aws_appautoscaling_policy.service : name => policy.target_tracking_scaling_policy_configuration[0].target_value } == {
      cpu = 60, memory = 70, requests = 1000
    }
    error_message = "each of the three must have its target"
  }

  assert {
    condition = { for name, policy in aws_appautoscaling_policy.service : name => policy.target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].predefined_metric_type } == {
      cpu = "ECSServiceAverageCPUUtilization", memory = "ECSServiceAverageMemoryUtilization", requests = "ALBRequestCountPerTarget"
    }
    error_message = "each of the three must follow its metric"
  }

  assert {
    condition     = alltrue([for policy in aws_appautoscaling_policy.service : policy.target_tracking_scaling_policy_configuration[0].disable_scale_in != true])
    error_message = "scaling must go in as well as out"
  }
}

run "scaling_goes_out_at_once_and_in_slowly" {
  command = plan

  assert {
    condition     = alltrue([for policy in aws_appautoscaling_policy.service : policy.target_tracking_scaling_policy_configuration[0].scale_out_cooldown == 30 && policy.target_tracking_scaling_policy_configuration[0].scale_in_cooldown == 300])
    error_message = "the cooldowns must be 30 s out and 300 s in"
  }
}

run "scaling_steps_as_fast_as_asked" {
  command = plan

  variables {
    scaling = { out_cooldown = 0, in_cooldown = 60, cpu_percent = 50 }
  }

  assert {
    condition     = alltrue([for policy in aws_appautoscaling_policy.service : policy.target_tracking_scaling_policy_configuration[0].scale_out_cooldown == 0 && policy.target_tracking_scaling_policy_configuration[0].scale_in_cooldown == 60])
    error_message = "the cooldowns must be the given ones"
  }

  assert {
    condition     = aws_appautoscaling_policy.service["cpu"].target_tracking_scaling_policy_configuration[0].target_value == 50 && aws_appautoscaling_policy.service["memory"].target_tracking_scaling_policy_configuration[0].target_value == 70
    error_message = "the target must be the given one, and the others must keep their defaults"
  }
}

run "tasks_reach_databases_and_https_and_nothing_else" {
  command = plan

  assert {
    condition     = aws_vpc_security_group_egress_rule.tasks_to_database.from_port == 5432 && aws_vpc_security_group_egress_rule.tasks_to_database.cidr_ipv4 == null
    error_message = "the way to the database must be by security group"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.tasks_to_https.from_port == 443 && aws_vpc_security_group_egress_rule.tasks_to_https.to_port == 443
    error_message = "the way out must be HTTPS alone"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.tasks_from_alb.from_port == 8080 && length(aws_vpc_security_group_ingress_rule.tasks_from_bastion) == 0
    error_message = "without a bastion only the load balancer may reach the tasks"
  }
}
