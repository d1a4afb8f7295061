# One instance per region, and a read replica of it in another zone of the same region where that is wanted.
# How the region's instance was born (`database_is_origin`) never depends on who serves now (`role`): a promotion
# happens outside Terraform, and `ignore_changes` keeps the next plan from undoing it.

# ---------------------------------------------------------------------------------------------------------------------
# Who may talk to the databases
# ---------------------------------------------------------------------------------------------------------------------

# No egress rule: a database begins no connection. RDS replicates over its own network.
resource "aws_security_group" "database" {
  region = var.region

  name        = "${local.name}-database"
  description = "PostgreSQL from tasks and bastion"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.name}-database" }
}

resource "aws_vpc_security_group_ingress_rule" "database_from_tasks" {
  region = var.region

  security_group_id            = aws_security_group.database.id
  description                  = "PostgreSQL from the tasks"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = local.postgres
  to_port                      = local.postgres

  tags = { Name = "${local.name}-database-from-tasks" }
}

resource "aws_vpc_security_group_ingress_rule" "database_from_bastion" {
  for_each = aws_security_group.bastion
  region   = var.region

  security_group_id            = aws_security_group.database.id
  description                  = "PostgreSQL from the bastion"
  referenced_security_group_id = each.value.id
  ip_protocol                  = "tcp"
  from_port                    = local.postgres
  to_port                      = local.postgres

  tags = { Name = "${local.name}-database-from-bastion" }
}

resource "aws_db_subnet_group" "this" {
  region = var.region

  name        = local.database_id
  description = "Private subnets of ${local.name}"
  subnet_ids  = [for subnet in aws_subnet.private : subnet.id]

  tags = { Name = local.database_id }
}

# ---------------------------------------------------------------------------------------------------------------------
# Parameters: the same on every instance, since any of them may be the primary tomorrow
# ---------------------------------------------------------------------------------------------------------------------

locals {
  postgres_major = split(".", var.database.postgres_version)[0]

  # Which of these need a restart: "Static" in
  # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
  parameters = {
    "rds.force_ssl" = { value = "1", apply = "immediate" }

    # Explicit, since RDS's default is a formula over the instance's memory, which validations.tf cannot read. A standby
    # whose value is below the primary's stops replaying: one more reason for one group.
    "max_connections" = { value = tostring(var.database.max_connections), apply = "pending-reboot" }

    # Statements above the limit are logged; alarms.tf counts them. Only their text is logged, with placeholders and
    # without the values, which are personal data (PostgreSQL 13 and later: log_parameter_max_length).
    "log_min_duration_statement" = { value = tostring(var.database.slow_query_ms), apply = "immediate" }
    "log_parameter_max_length"   = { value = "0", apply = "immediate" }
    "log_lock_waits"             = { value = "1", apply = "immediate" }
    "shared_preload_libraries"   = { value = "pg_stat_statements", apply = "pending-reboot" }

    # Fail-over-friendly: a peer that vanished is noticed within 60 s (30 + 3 x 10) instead of hours, a transaction that
    # its client forgot ends, and a standby does not wait long for its readers.
    "tcp_keepalives_idle"                 = { value = "30", apply = "immediate" }
    "tcp_keepalives_interval"             = { value = "10", apply = "immediate" }
    "tcp_keepalives_count"                = { value = "3", apply = "immediate" }
    "idle_in_transaction_session_timeout" = { value = "60000", apply = "immediate" }
    "max_standby_streaming_delay"         = { value = "10000", apply = "immediate" }
    "hot_standby_feedback"                = { value = "1", apply = "immediate" }
  }
}

resource "aws_db_parameter_group" "this" {
  region = var.region

  name        = "${local.database_id}-pg${local.postgres_major}"
  family      = "postgres${local.postgres_major}"
  description = "Every instance of ${local.name}"

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name         = parameter.key
      value        = parameter.value.value
      apply_method = parameter.value.apply
    }
  }

  tags = { Name = local.database_id }

  lifecycle {
    # A major upgrade needs the new family's group before the old one goes.
    create_before_destroy = true
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Instances
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # What a promotion and a rebuild change outside Terraform is ignored; everything else is the same on all instances.
  backup_windows = {
    primary = format("%02d:00-%02d:30", var.database.backup_hour, var.database.backup_hour)
    replica = format("%02d:00-%02d:30", var.database.backup_hour + 1, var.database.backup_hour + 1)
  }

  # Different days too: never both instances of a region in maintenance at once.
  maintenance_windows = {
    primary = format("sun:%02d:00-sun:%02d:30", var.database.backup_hour + 2, var.database.backup_hour + 2)
    replica = format("sat:%02d:00-sat:%02d:30", var.database.backup_hour + 2, var.database.backup_hour + 2)
  }

  log_exports = ["postgresql", "upgrade"]
}

resource "aws_db_instance" "primary" {
  # checkov:skip=CKV2_AWS_69:rds.force_ssl stands in the parameter group; checkov does not see through the dynamic block
  # checkov:skip=CKV_AWS_133:the retention is a variable that refuses 0
  # checkov:skip=CKV_AWS_157:a variable: the reader in another zone and the other region are the cheaper answers

  region = var.region

  identifier = local.database_id

  # Origin: an empty database of our own. Else: a replica of the other region's, by ARN, encrypted with this region's
  # key and in this region's subnets. A replica takes engine, user, database and storage size from its source.
  replicate_source_db = var.database_is_origin ? null : var.database_source_arn
  engine              = var.database_is_origin ? "postgres" : null
  username            = var.database_is_origin ? var.database.user : null
  db_name             = var.database_is_origin ? var.database.name : null
  allocated_storage   = var.database_is_origin ? var.database.allocated_storage : null

  # secrets.tf says why the password comes back from the secret store instead of straight from the generator.
  password_wo         = var.database_is_origin ? local.database_password : null
  password_wo_version = var.database_is_origin ? var.secrets.versions.database : null

  engine_version        = var.database.postgres_version
  instance_class        = var.database.instance_class
  storage_type          = "gp3"
  max_allocated_storage = var.database.max_allocated_storage
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.this.arn
  parameter_group_name  = aws_db_parameter_group.this.name
  ca_cert_identifier    = var.database.ca_identifier

  # `availability_zone` and `multi_az` exclude each other.
  multi_az               = var.database.multi_az
  availability_zone      = var.database.multi_az ? null : "${var.region}${local.first_zone}"
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false
  port                   = local.postgres

  backup_retention_period    = var.database.backup_retention_days
  backup_window              = local.backup_windows.primary
  maintenance_window         = local.maintenance_windows.primary
  copy_tags_to_snapshot      = true
  delete_automated_backups   = !local.protected
  deletion_protection        = local.protected
  skip_final_snapshot        = !(local.protected && var.database_is_origin)
  final_snapshot_identifier  = local.protected && var.database_is_origin ? "${local.database_id}-final" : null
  auto_minor_version_upgrade = true
  apply_immediately          = true

  enabled_cloudwatch_logs_exports       = local.log_exports
  performance_insights_enabled          = var.database.insights
  performance_insights_kms_key_id       = var.database.insights ? aws_kms_key.this.arn : null
  performance_insights_retention_period = var.database.insights ? 7 : null
  monitoring_interval                   = var.database.monitoring_interval
  monitoring_role_arn                   = var.database.monitoring_interval > 0 ? aws_iam_role.monitoring.arn : null

  tags = { Name = local.database_id }

  lifecycle {
    # A promotion clears the source; the zone may change with a fail-over; the other three follow from how it was born.
    ignore_changes = [replicate_source_db, availability_zone, engine, username, db_name]
  }

  # RDS makes a missing log group itself, without our key and retention.
  depends_on = [aws_cloudwatch_log_group.database, aws_iam_role_policy_attachment.monitoring]
}

# The reader in another zone. It inherits key, subnet group, storage, user and password from its source; giving the
# key or the subnet group here is refused by RDS, as is a final snapshot.
# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html
resource "aws_db_instance" "replica" {
  # checkov:skip=CKV2_AWS_69:rds.force_ssl stands in the parameter group; checkov does not see through the dynamic block
  # checkov:skip=CKV_AWS_133:the retention is a variable that refuses 0
  # checkov:skip=CKV_AWS_157:it is the copy in another zone

  for_each = var.database.read_replica ? toset(["this"]) : toset([])
  region   = var.region

  identifier          = local.replica_id
  replicate_source_db = aws_db_instance.primary.identifier

  engine_version        = var.database.postgres_version
  instance_class        = var.database.instance_class
  storage_type          = "gp3"
  max_allocated_storage = var.database.max_allocated_storage
  storage_encrypted     = true
  parameter_group_name  = aws_db_parameter_group.this.name
  ca_cert_identifier    = var.database.ca_identifier

  multi_az               = false
  availability_zone      = "${var.region}${local.second_zone}"
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false
  port                   = local.postgres

  backup_retention_period    = var.database.backup_retention_days
  backup_window              = local.backup_windows.replica
  maintenance_window         = local.maintenance_windows.replica
  copy_tags_to_snapshot      = true
  delete_automated_backups   = !local.protected
  deletion_protection        = local.protected
  skip_final_snapshot        = true
  auto_minor_version_upgrade = true
  apply_immediately          = true

  enabled_cloudwatch_logs_exports       = local.log_exports
  performance_insights_enabled          = var.database.insights
  performance_insights_kms_key_id       = var.database.insights ? aws_kms_key.this.arn : null
  performance_insights_retention_period = var.database.insights ? 7 : null
  monitoring_interval                   = var.database.monitoring_interval
  monitoring_role_arn                   = var.database.monitoring_interval > 0 ? aws_iam_role.monitoring.arn : null

  tags = { Name = local.replica_id }

  lifecycle {
    ignore_changes = [replicate_source_db, availability_zone, engine, username, db_name]
  }

  depends_on = [aws_cloudwatch_log_group.database]
}

# ---------------------------------------------------------------------------------------------------------------------
# Addresses, remembered
# ---------------------------------------------------------------------------------------------------------------------

# An address follows from identifier, account and region, so a rebuilt instance has the one it had. Terraform cannot
# know that and would show it as unknown, and with it replace every task definition that names it. These two keep the
# first value until the identifier changes.

resource "terraform_data" "database_address" {
  input            = aws_db_instance.primary.address
  triggers_replace = [local.database_id]

  lifecycle {
    ignore_changes = [input]
  }
}

resource "terraform_data" "replica_address" {
  for_each = aws_db_instance.replica

  input            = each.value.address
  triggers_replace = [local.replica_id]

  lifecycle {
    ignore_changes = [input]
  }
}
