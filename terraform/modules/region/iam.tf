# Roles carry the region in their names: IAM is global, and this module may stand twice in one account.
# Who may take a role on is narrowed to this account where the service says whom it acts for (aws:SourceAccount).

locals {
  # Services that say for whom they act, and for which of its resources.
  trusted_services = {
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
    task = {
      sid     = "EcsTasksOfThisAccount"
      service = "ecs-tasks.amazonaws.com"
      source  = "arn:${local.partition}:ecs:${var.region}:${local.account}:*"
    }
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Monitoring.OS.Enabling.html
    monitoring = {
      sid     = "RdsMonitoringOfThisAccount"
      service = "monitoring.rds.amazonaws.com"
      source  = "arn:${local.partition}:rds:${var.region}:${local.account}:db:${local.name}-*"
    }
    # https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    flow_log = {
      sid     = "FlowLogsOfThisAccount"
      service = "vpc-flow-logs.amazonaws.com"
      source  = "arn:${local.partition}:ec2:${var.region}:${local.account}:vpc-flow-log/*"
    }
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.trusted_services

  statement {
    sid     = each.value.sid
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value.service]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [each.value.source]
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Execution role: what ECS does before the container runs (pull, secrets, log stream)
# ---------------------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "execution_trust" {
  statement {
    # AWS documents source conditions for task roles only, and none for this one.
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    sid     = "EcsBeforeTheTaskRuns"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "${local.role_prefix}-execution"
  description        = "ECS, before the container runs: pull the image, read the secrets, write the logs"
  assume_role_policy = data.aws_iam_policy_document.execution_trust.json

  tags = { Name = "${local.role_prefix}-execution" }
}

data "aws_iam_policy_document" "execution" {
  statement {
    # The bare ARNs: the key that the task definition appends (ARN:password::) is no part of the resource.
    sid       = "ReadItsSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [for secret in keys(local.secrets) : local.secret_arns[secret]]
  }

  statement {
    sid       = "DecryptThem"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${var.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "WriteItsLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.service.arn}:*"]
  }
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.name
  policy = data.aws_iam_policy_document.execution.json
}

# ---------------------------------------------------------------------------------------------------------------------
# Task role: the program calls no AWS service, so this role may do nothing
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "task" {
  name               = "${local.role_prefix}-task"
  description        = "The program itself: it calls no AWS service, so there is no policy"
  assume_role_policy = data.aws_iam_policy_document.trust["task"].json

  tags = { Name = "${local.role_prefix}-task" }
}

# ---------------------------------------------------------------------------------------------------------------------
# RDS enhanced monitoring
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "monitoring" {
  name               = "${local.role_prefix}-rds-monitoring"
  description        = "RDS enhanced monitoring writes the operating system's metrics"
  assume_role_policy = data.aws_iam_policy_document.trust["monitoring"].json

  tags = { Name = "${local.role_prefix}-rds-monitoring" }
}

# AWS keeps this policy in step with the service: it may write to the log group RDSOSMetrics and nothing else.
resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

# ---------------------------------------------------------------------------------------------------------------------
# VPC flow logs
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "flow_log" {
  name               = "${local.role_prefix}-flow-log"
  description        = "VPC flow logs write to their log group"
  assume_role_policy = data.aws_iam_policy_document.trust["flow_log"].json

  tags = { Name = "${local.role_prefix}-flow-log" }
}

data "aws_iam_policy_document" "flow_log" {
  statement {
    sid       = "WriteFlowLog"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = [aws_cloudwatch_log_group.flow.arn, "${aws_cloudwatch_log_group.flow.arn}:*"]
  }

  statement {
    # The service lists groups before it writes; listing cannot be narrowed to one group, so it is to this region.
    sid       = "FindFlowLogGroup"
    actions   = ["logs:DescribeLogGroups"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:*"]
  }
}

resource "aws_iam_role_policy" "flow_log" {
  name   = "flow-log"
  role   = aws_iam_role.flow_log.name
  policy = data.aws_iam_policy_document.flow_log.json
}

# ---------------------------------------------------------------------------------------------------------------------
# Bastion: Session Manager and nothing else
# ---------------------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "bastion_trust" {
  statement {
    # EC2 passes no source account when an instance takes on its profile's role.
    sid     = "Ec2Instances"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "bastion" {
  for_each = local.bastion

  name               = "${local.role_prefix}-bastion"
  description        = "Bastion: sessions through Session Manager"
  assume_role_policy = data.aws_iam_policy_document.bastion_trust.json

  tags = { Name = "${local.role_prefix}-bastion" }
}

data "aws_iam_policy_document" "bastion" {
  # checkov:skip=CKV_AWS_111:Session Manager's actions know no resource; the statement says so
  # checkov:skip=CKV_AWS_356:Session Manager's actions know no resource; the statement says so

  statement {
    # The managed policy for Session Manager also reads every parameter; this is the part that sessions need.
    # Wildcard: none of these actions can be narrowed to a resource.
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
    sid = "SessionManager"
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "bastion" {
  for_each = aws_iam_role.bastion

  name   = "session-manager"
  role   = each.value.name
  policy = data.aws_iam_policy_document.bastion.json
}

resource "aws_iam_instance_profile" "bastion" {
  for_each = aws_iam_role.bastion

  name = "${local.role_prefix}-bastion"
  role = each.value.name

  tags = { Name = "${local.role_prefix}-bastion" }
}
