# The witness: an object store in a third region, where at most one fail-over controller can hold the lease. S3 writes
# are conditional (If-None-Match to take it, If-Match to renew it), and the policy refuses any other write.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html

locals {
  # By name, since a policy that asked the bucket for its ARN would wait for the bucket, and the bucket's policy for it.
  # Empty with one region; with two and no witness_region validations.tf stops the plan.
  witness_buckets = local.two && var.witness_region != null ? { this = "${local.name}-witness-${local.account}-${var.witness_region}" } : {}
}

# SSE-S3: a lease is no secret, and a key is one more thing that must work in a disaster. It is renewed every few seconds,
# so its old versions go after a day.
module "witness" {
  source   = "../bucket"
  for_each = local.witness_buckets

  region           = var.witness_region
  name             = each.value
  old_version_days = 1
  force_destroy    = !local.protected
  policies         = [data.aws_iam_policy_document.witness_bucket[each.key].json]
}

data "aws_iam_policy_document" "witness_bucket" {
  for_each = local.witness_buckets

  statement {
    sid       = "OnlyConditionalWrites"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${each.value}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    # Both absent: an unconditional write.
    condition {
      test     = "Null"
      variable = "s3:if-none-match"
      values   = ["true"]
    }

    condition {
      test     = "Null"
      variable = "s3:if-match"
      values   = ["true"]
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# The controller's role: reads and writes the lease, and nothing else here
# ---------------------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "witness_trust" {
  for_each = local.witness_buckets

  statement {
    sid     = "ControllerTasksOfBothRegions"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [for region in values(local.pair) : "arn:${local.partition}:ecs:${region.region}:${local.account}:*"]
    }
  }
}

resource "aws_iam_role" "witness" {
  for_each = local.witness_buckets

  name               = "${local.name}-failover-controller"
  description        = "The fail-over controller's task: its lease in the witness region"
  assume_role_policy = data.aws_iam_policy_document.witness_trust[each.key].json

  tags = { Name = "${local.name}-failover-controller" }
}

data "aws_iam_policy_document" "witness" {
  for_each = local.witness_buckets

  statement {
    sid       = "HoldTheLease"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${each.value}/lease"]
  }
}

resource "aws_iam_role_policy" "witness" {
  for_each = aws_iam_role.witness

  name   = "lease"
  role   = each.value.name
  policy = data.aws_iam_policy_document.witness[each.key].json
}
