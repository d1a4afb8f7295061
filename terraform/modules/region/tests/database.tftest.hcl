# Databases: how they are born, what they share. What a promotion and a rebuild change outside Terraform, and that it does
# not come back as a plan, is in terraform/tests/failover_checks.py.

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

run "the_origin_is_an_empty_database" {
  command = plan

  assert {
    condition     = aws_db_instance.primary.engine == "postgres" && aws_db_instance.primary.username == "hello_admin" && aws_db_instance.primary.db_name == "hello" && aws_db_instance.primary.replicate_source_db == null
    error_message = "the origin must be made empty, with its user and database"
  }

  assert {
    condition     = aws_db_instance.primary.password_wo_version == 1
    error_message = "the origin must take the password from the secret"
  }
}

run "the_other_region_is_a_replica_by_arn" {
  command = plan

  variables {
    region              = "eu-central-1"
    database_is_origin  = false
    database_source_arn = "arn:aws:rds:eu-west-1:123456789012:db:hello-you-staging-db"
    secrets             = { home_region = "eu-west-1" }
    home_secrets = {
      arns = {
        registry      = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hello-you-staging-registry-abc"
        database      = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hello-you-staging-database-abc"
        application   = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hello-you-staging-application-abc"
        administrator = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hello-you-staging-administrator-abc"
      }
      database_version_id = "1"
    }
  }

  assert {
    condition     = aws_db_instance.primary.replicate_source_db == "arn:aws:rds:eu-west-1:123456789012:db:hello-you-staging-db"
    error_message = "a cross-region replica's source must be an ARN"
  }

  assert {
    condition     = aws_db_instance.primary.password_wo_version == null && aws_db_instance.primary.skip_final_snapshot
    error_message = "a replica must have neither a password of its own nor a final snapshot"
  }

  assert {
    condition     = aws_db_instance.primary.db_subnet_group_name == "hello-you-staging-db" && aws_db_instance.primary.storage_encrypted
    error_message = "a cross-region replica must be encrypted and in its own region's subnets"
  }

  assert {
    condition     = length(aws_secretsmanager_secret.this) == 0 && length(aws_secretsmanager_secret_version.database) == 0
    error_message = "the secrets must belong to the home region"
  }

  assert {
    condition     = local.container_secrets.DB_PASSWORD == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hello-you-staging-database-abc:password::"
    error_message = "the tasks must read the secret's replica in their own region"
  }
}

run "the_reader_is_a_replica_by_identifier_in_another_zone" {
  command = plan

  assert {
    condition     = aws_db_instance.replica["this"].replicate_source_db == aws_db_instance.primary.identifier
    error_message = "an in-region replica's source must be an identifier"
  }

  assert {
    condition     = aws_db_instance.replica["this"].availability_zone == "eu-west-1b" && aws_db_instance.primary.availability_zone == "eu-west-1a"
    error_message = "primary and reader must be in different zones"
  }

  assert {
    condition     = aws_db_instance.replica["this"].storage_encrypted && aws_db_instance.replica["this"].password_wo_version == null
    error_message = "the reader must be encrypted and have no password of its own"
  }
}

run "no_reader_when_not_wanted" {
  command = plan

  variables {
    database = { read_replica = false }
  }

  assert {
    condition     = length(aws_db_instance.replica) == 0 && length(local.database_hosts) == 1
    error_message = "there must be one host"
  }
}

run "multi_az_leaves_the_zone_to_rds" {
  command = plan

  variables {
    database = { multi_az = true }
  }

  assert {
    condition     = aws_db_instance.primary.multi_az && local.database_alarms["hello-you-staging-db-cpu"].missing == "breaching"
    error_message = "the primary must have its standby"
  }
}

run "all_instances_are_private_equal_and_kept" {
  command = plan

  variables {
    database = { instance_class = "db.r7g.large" }
  }

  assert {
    condition     = !aws_db_instance.primary.publicly_accessible && !aws_db_instance.replica["this"].publicly_accessible
    error_message = "no database may be public"
  }

  assert {
    condition     = aws_db_instance.primary.instance_class == "db.r7g.large" && aws_db_instance.replica["this"].instance_class == "db.r7g.large"
    error_message = "a smaller replica stops replaying"
  }

  assert {
    condition     = aws_db_instance.primary.parameter_group_name == aws_db_instance.replica["this"].parameter_group_name
    error_message = "any instance may be the primary tomorrow"
  }

  assert {
    condition     = aws_db_instance.primary.backup_retention_period == 7 && aws_db_instance.replica["this"].backup_retention_period == 7
    error_message = "every instance must have backups"
  }

  assert {
    condition     = aws_db_instance.primary.backup_window == "02:00-02:30" && aws_db_instance.replica["this"].backup_window == "03:00-03:30"
    error_message = "backups must be in different windows: an instance that is backing up cannot be promoted"
  }

  assert {
    condition     = aws_db_instance.primary.maintenance_window == "sun:04:00-sun:04:30" && aws_db_instance.replica["this"].maintenance_window == "sat:04:00-sat:04:30"
    error_message = "maintenance must never hit both at once"
  }

  assert {
    condition     = aws_db_instance.primary.ca_cert_identifier == "rds-ca-rsa2048-g1" && aws_db_instance.replica["this"].ca_cert_identifier == "rds-ca-rsa2048-g1"
    error_message = "the certificate authority must be pinned"
  }

  assert {
    condition     = aws_db_instance.primary.enabled_cloudwatch_logs_exports == toset(["postgresql", "upgrade"]) && aws_db_instance.replica["this"].enabled_cloudwatch_logs_exports == toset(["postgresql", "upgrade"])
    error_message = "both logs must be exported"
  }

  assert {
    condition     = aws_db_instance.primary.performance_insights_enabled && aws_db_instance.primary.monitoring_interval == 60
    error_message = "Performance Insights and enhanced monitoring must be on"
  }
}

run "parameters_force_tls_log_slow_queries_and_survive_a_fail_over" {
  command = plan

  variables {
    database = { slow_query_ms = 250, max_connections = 400 }
  }

  assert {
    condition = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value } == {
      "rds.force_ssl"                       = "1"
      "max_connections"                     = "400"
      "log_min_duration_statement"          = "250"
      "log_parameter_max_length"            = "0"
      "log_lock_waits"                      = "1"
      "shared_preload_libraries"            = "pg_stat_statements"
      "tcp_keepalives_idle"                 = "30"
      "tcp_keepalives_interval"             = "10"
      "tcp_keepalives_count"                = "3"
      "idle_in_transaction_session_timeout" = "60000"
      "max_standby_streaming_delay"         = "10000"
      "hot_standby_feedback"                = "1"
    }
    error_message = "the parameters must be exactly these"
  }

  assert {
    condition     = toset([for parameter in aws_db_parameter_group.this.parameter : parameter.name if parameter.apply_method == "pending-reboot"]) == toset(["max_connections", "shared_preload_libraries"])
    error_message = "RDS refuses to apply a static parameter at once"
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres17"
    error_message = "PostgreSQL 17 must be the default"
  }
}

run "another_version_takes_its_own_parameter_group" {
  command = plan

  variables {
    database = { postgres_version = "15.8" }
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres15" && aws_db_parameter_group.this.name == "hello-you-staging-db-pg15" && aws_db_instance.primary.engine_version == "15.8"
    error_message = "family and name must follow the major version"
  }
}

run "databases_are_reached_from_tasks_alone_without_a_bastion" {
  command = plan

  assert {
    condition     = aws_vpc_security_group_ingress_rule.database_from_tasks.from_port == 5432 && aws_vpc_security_group_ingress_rule.database_from_tasks.cidr_ipv4 == null && length(aws_vpc_security_group_ingress_rule.database_from_bastion) == 0
    error_message = "only the tasks may reach the databases"
  }
}

run "log_groups_exist_before_the_database_writes_to_them" {
  command = plan

  assert {
    condition = toset([for group in aws_cloudwatch_log_group.database : group.name]) == toset([
      "/aws/rds/instance/hello-you-staging-db/postgresql", "/aws/rds/instance/hello-you-staging-db/upgrade",
      "/aws/rds/instance/hello-you-staging-db-replica/postgresql", "/aws/rds/instance/hello-you-staging-db-replica/upgrade",
    ])
    error_message = "each instance must have its two log groups, with our key and retention"
  }
}
