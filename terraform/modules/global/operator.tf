# The person at the controls of a fail-over: sets and lifts latches, promotes, scales. docs/RUNBOOK.md has the commands.

data "aws_iam_policy_document" "operator_trust" {
  statement {
    sid     = "PeopleWithMfa"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = length(var.operator_principals) > 0 ? var.operator_principals : ["arn:${local.partition}:iam::${local.account}:root"]
    }

    condition {
      test     = "Bool"
      variable = "aws:MultiFactorAuthPresent"
      values   = ["true"]
    }
  }
}

resource "aws_iam_role" "operator" {
  for_each = local.two_regions

  name                 = "${local.name}-failover-operator"
  description          = "Sets and lifts the latches, promotes a replica, scales a region up"
  assume_role_policy   = data.aws_iam_policy_document.operator_trust.json
  max_session_duration = 14400

  tags = { Name = "${local.name}-failover-operator" }
}

data "aws_iam_policy_document" "operator" {
  for_each = aws_iam_role.operator

  statement {
    sid       = "SetAndLiftLatches"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = [for letter, bucket in local.latch_buckets : "arn:${local.partition}:s3:::${bucket}/${local.latch_keys[letter]}"]
  }

  statement {
    sid     = "PromoteReplica"
    actions = ["rds:DescribeDBInstances", "rds:PromoteReadReplica", "rds:RebootDBInstance"]
    resources = flatten([
      for region in values(local.pair) : [
        "arn:${local.partition}:rds:${region.region}:${local.account}:db:${region.database_id}",
        "arn:${local.partition}:rds:${region.region}:${local.account}:db:${region.database_id}-replica",
      ]
    ])
  }

  statement {
    sid       = "ScaleService"
    actions   = ["ecs:DescribeServices", "ecs:UpdateService"]
    resources = [for region in values(local.pair) : "arn:${local.partition}:ecs:${region.region}:${local.account}:service/${region.cluster_name}/${region.service_name}"]
  }

  statement {
    sid       = "RaiseScalingLimits"
    actions   = ["application-autoscaling:RegisterScalableTarget"]
    resources = [for region in values(local.pair) : "arn:${local.partition}:application-autoscaling:${region.region}:${local.account}:scalable-target/*"]

    condition {
      test     = "StringEquals"
      variable = "application-autoscaling:service-namespace"
      values   = ["ecs"]
    }
  }

  statement {
    # Wildcard: reading metrics and limits cannot be narrowed to a resource.
    sid       = "LookAtMetrics"
    actions   = ["cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "application-autoscaling:DescribeScalableTargets"]
    resources = ["*"]
  }

  statement {
    sid       = "LookAtChecks"
    actions   = ["route53:GetHealthCheckStatus"]
    resources = [for check in concat(values(aws_route53_health_check.deep), values(aws_route53_health_check.latch), values(aws_route53_health_check.region_ok)) : check.arn]
  }
}

resource "aws_iam_role_policy" "operator" {
  for_each = aws_iam_role.operator

  name   = "failover"
  role   = each.value.name
  policy = data.aws_iam_policy_document.operator[each.key].json
}
