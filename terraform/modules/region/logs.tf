# Every log group is made here, before what writes to it, so that each has our key and our retention.

locals {
  # RDS names its groups itself: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Concepts.PostgreSQL.html
  database_instances = concat([local.database_id], var.database.read_replica ? [local.replica_id] : [])

  database_log_groups = {
    for pair in setproduct(local.database_instances, local.log_exports) :
    "${pair[0]}/${pair[1]}" => "/aws/rds/instance/${pair[0]}/${pair[1]}"
  }
}

resource "aws_cloudwatch_log_group" "service" {
  # checkov:skip=CKV_AWS_338:the retention is a variable; what must be kept for a year depends on who runs this

  region = var.region

  name              = "/ecs/${local.service_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn

  tags = { Name = local.service_name }
}

resource "aws_cloudwatch_log_group" "database" {
  # checkov:skip=CKV_AWS_338:the retention is a variable; what must be kept for a year depends on who runs this

  for_each = local.database_log_groups
  region   = var.region

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn

  tags = { Name = each.key }
}

resource "aws_cloudwatch_log_group" "flow" {
  # checkov:skip=CKV_AWS_338:the retention is a variable; what must be kept for a year depends on who runs this

  region = var.region

  name              = "/vpc/${local.name}/flow"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn

  tags = { Name = "${local.name}-flow" }
}

# AWS WAF writes only to groups whose name begins so.
# https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html
resource "aws_cloudwatch_log_group" "waf" {
  # checkov:skip=CKV_AWS_338:the retention is a variable; what must be kept for a year depends on who runs this

  for_each = local.waf
  region   = var.region

  name              = "aws-waf-logs-${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn

  tags = { Name = "${local.name}-waf" }
}
