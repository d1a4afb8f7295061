# ---------------------------------------------------------------------------------------------------------------------
# Who may talk to the tasks, and to whom they talk
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_security_group" "tasks" {
  region = var.region

  name        = "${local.name}-tasks"
  description = "Tasks: requests from the load balancer, the private listener from the bastion, to the databases and HTTPS"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.name}-tasks" }
}

resource "aws_vpc_security_group_ingress_rule" "tasks_from_alb" {
  region = var.region

  security_group_id            = aws_security_group.tasks.id
  description                  = "Requests and health checks from the load balancer"
  referenced_security_group_id = aws_security_group.alb.id
  ip_protocol                  = "tcp"
  from_port                    = local.service_port
  to_port                      = local.service_port

  tags = { Name = "${local.name}-tasks-from-alb" }
}

resource "aws_vpc_security_group_ingress_rule" "tasks_from_bastion" {
  for_each = aws_security_group.bastion
  region   = var.region

  security_group_id            = aws_security_group.tasks.id
  description                  = "Private listener (metrics, administrators' calls) from the bastion"
  referenced_security_group_id = each.value.id
  ip_protocol                  = "tcp"
  from_port                    = local.admin_port
  to_port                      = local.admin_port

  tags = { Name = "${local.name}-tasks-from-bastion" }
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_database" {
  region = var.region

  security_group_id            = aws_security_group.tasks.id
  description                  = "PostgreSQL of this region"
  referenced_security_group_id = aws_security_group.database.id
  ip_protocol                  = "tcp"
  from_port                    = local.postgres
  to_port                      = local.postgres

  tags = { Name = "${local.name}-tasks-to-database" }
}

# Image, secrets and logs are reached over HTTPS through the NAT gateway; their addresses are not fixed.
resource "aws_vpc_security_group_egress_rule" "tasks_to_https" {
  region = var.region

  security_group_id = aws_security_group.tasks.id
  description       = "HTTPS: container registry, Secrets Manager, CloudWatch Logs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  tags = { Name = "${local.name}-tasks-to-https" }
}

# ---------------------------------------------------------------------------------------------------------------------
# Cluster
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_ecs_cluster" "this" {
  region = var.region

  name = local.cluster_name

  # The alarm "running < desired" reads Container Insights' metrics.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }

  tags = { Name = local.cluster_name }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  region = var.region

  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = var.scaling.on_demand_base
    weight            = 1
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Task definition
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # 5 s of margin: the program ends by itself within its grace, and is never killed in the middle of an answer.
  stop_timeout = var.service.shutdown_grace + 5

  database_hosts = concat(
    [terraform_data.database_address.output],
    [for address in terraform_data.replica_address : address.output],
  )

  # The contract with the program: each name is in docs/CONFIGURATION.md (a test compares them).
  environment = merge(
    {
      HELLO_LISTEN         = "0.0.0.0:${local.service_port}"
      HELLO_ADMIN_LISTEN   = "0.0.0.0:${local.admin_port}"
      HELLO_LEAP_DAY       = var.service.leap_day
      HELLO_DRAIN_DELAY    = "${var.service.drain_delay}s"
      HELLO_SHUTDOWN_GRACE = "${var.service.shutdown_grace}s"
      DB_HOSTS             = join(",", local.database_hosts)
      DB_PORT              = tostring(local.postgres)
      DB_NAME              = var.database.name
      DB_POOL_SIZE         = tostring(var.service.pool_size)
      DB_SSLMODE           = "verify-full"

      # Not a secret: a new version here is a new revision of the task definition, and so the tasks are rolled.
      HELLO_SECRETS_VERSION = join(" ", [for secret, version in var.secrets.versions : "${secret}=${version}"])
    },
    length(var.far_database_hosts) == 0 ? {} : { DB_FAR_HOSTS = join(",", var.far_database_hosts) },
    var.database.ca_pem == null ? {} : { DB_CA_PEM = var.database.ca_pem },
    var.service.min_timeline == null ? {} : { MIN_TIMELINE = tostring(var.service.min_timeline) },
  )

  # ARN:KEY:: takes one key of the secret's JSON, in its current version.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
  container_secrets = {
    DB_USER        = "${local.secret_arns.database}:username::"
    DB_PASSWORD    = "${local.secret_arns.database}:password::"
    APP_SECRET_KEY = "${local.secret_arns.application}:secret_key::"
    ADMIN_TOKEN    = "${local.secret_arns.administrator}:token::"
  }

  container = {
    name      = local.container_name
    image     = var.service.image
    essential = true

    repositoryCredentials = { credentialsParameter = local.secret_arns.registry }

    # The image's only user; nothing in it needs root or a writable disk.
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }

    portMappings = [
      { containerPort = local.service_port, hostPort = local.service_port, protocol = "tcp" },
      { containerPort = local.admin_port, hostPort = local.admin_port, protocol = "tcp" },
    ]

    environment = [for name, value in local.environment : { name = name, value = value }]
    secrets     = [for name, from in local.container_secrets : { name = name, valueFrom = from }]

    # CMD, not CMD-SHELL: there is no shell in the image.
    healthCheck = {
      command     = ["CMD", "/hello-you", "healthcheck"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 10
    }

    stopTimeout = local.stop_timeout

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.service.name
        awslogs-region        = var.region
        awslogs-stream-prefix = "task"
        # A log that cannot be delivered must not stop the service.
        mode            = "non-blocking"
        max-buffer-size = "4m"
      }
    }
  }
}

resource "aws_ecs_task_definition" "this" {
  region = var.region

  family                   = local.service_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.service.cpu)
  memory                   = tostring(var.service.memory)
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.service.architecture
  }

  container_definitions = jsonencode([local.container])

  tags = { Name = local.service_name }
}

# ---------------------------------------------------------------------------------------------------------------------
# Service
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_ecs_service" "this" {
  region = var.region

  name            = local.service_name
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = local.min_tasks

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = local.deployment_maximum_percent
  availability_zone_rebalancing      = "ENABLED"
  health_check_grace_period_seconds  = 30
  enable_execute_command             = false
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"

  # The first tasks are always on demand; spot capacity, which AWS takes back at will, only comes on top.
  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = var.scaling.on_demand_base
    weight            = 1
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.service.spot_weight > 0 ? [var.service.spot_weight] : []

    content {
      capacity_provider = "FARGATE_SPOT"
      weight            = capacity_provider_strategy.value
    }
  }

  network_configuration {
    subnets          = [for subnet in aws_subnet.private : subnet.id]
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = local.container_name
    container_port   = local.service_port
  }

  # Tasks that do not start: back to the revision that worked.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # Tasks that start and answer badly: likewise.
  alarms {
    enable   = true
    rollback = true
    alarm_names = [
      aws_cloudwatch_metric_alarm.this["target-5xx"].alarm_name,
      aws_cloudwatch_metric_alarm.this["latency-p99"].alarm_name,
    ]
  }

  tags = { Name = local.service_name }

  lifecycle {
    # Auto scaling decides after the first apply; so does a fail-over.
    ignore_changes = [desired_count]
  }

  # A target group without a listener takes no service; without its rights no task starts.
  depends_on = [
    aws_ecs_cluster_capacity_providers.this,
    aws_iam_role_policy.execution,
    aws_lb_listener.http,
    aws_lb_listener.https,
    aws_route.private_internet,
    aws_secretsmanager_secret_version.registry,
    aws_secretsmanager_secret_version.database,
    aws_secretsmanager_secret_version.application,
    aws_secretsmanager_secret_version.administrator,
  ]
}
