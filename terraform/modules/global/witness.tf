# The witness: an object store in a third region, where at most one fail-over controller can hold the lease. S3 writes
# are conditional (If-None-Match to take it, If-Match to renew it), and the policy refuses any other write.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html

locals {
  witness = local.two && var.witness_region != null ? toset(["this"]) : toset([])
}

resource "aws_s3_bucket" "witness" {
  # checkov:skip=CKV_AWS_18:the trail sees who changes the bucket; a log of each read would need a bucket, and that one a bucket
  # checkov:skip=CKV2_AWS_62:nothing has to happen when an object arrives
  # checkov:skip=CKV_AWS_144:a lease in two places is two leases
  # checkov:skip=CKV_AWS_145:a lease is no secret, and a key is one more thing that must work in a disaster

  for_each = local.witness
  region   = var.witness_region

  bucket        = "${local.name}-witness-${local.account}-${var.witness_region}"
  force_destroy = !local.protected

  tags = { Name = "${local.name}-witness" }
}

resource "aws_s3_bucket_public_access_block" "witness" {
  for_each = aws_s3_bucket.witness
  region   = var.witness_region

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "witness" {
  for_each = aws_s3_bucket.witness
  region   = var.witness_region

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# SSE-S3: a lease is no secret, and a key would be one more thing that must work in a disaster.
resource "aws_s3_bucket_server_side_encryption_configuration" "witness" {
  for_each = aws_s3_bucket.witness
  region   = var.witness_region

  bucket = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "witness" {
  for_each = aws_s3_bucket.witness
  region   = var.witness_region

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

# A lease is renewed every few seconds: its old versions go after a day.
resource "aws_s3_bucket_lifecycle_configuration" "witness" {
  for_each = aws_s3_bucket.witness
  region   = var.witness_region

  bucket = each.value.id

  rule {
    id     = "forget-old-leases"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 1
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.witness]
}

data "aws_iam_policy_document" "witness_bucket" {
  for_each = aws_s3_bucket.witness

  statement {
    sid       = "OnlyConditionalWrites"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${each.value.arn}/*"]

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

  statement {
    sid       = "OnlyEncryptedConnections"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "witness" {
  for_each = aws_s3_bucket.witness
  region   = var.witness_region

  bucket = each.value.id
  policy = data.aws_iam_policy_document.witness_bucket[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.witness]
}

# ---------------------------------------------------------------------------------------------------------------------
# The controller's role: reads and writes the lease, and nothing else here
# ---------------------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "witness_trust" {
  for_each = local.witness

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
  for_each = local.witness

  name               = "${local.name}-failover-controller"
  description        = "The fail-over controller's task: its lease in the witness region"
  assume_role_policy = data.aws_iam_policy_document.witness_trust[each.key].json

  tags = { Name = "${local.name}-failover-controller" }
}

data "aws_iam_policy_document" "witness" {
  for_each = aws_s3_bucket.witness

  statement {
    sid       = "HoldTheLease"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${each.value.arn}/lease"]
  }
}

resource "aws_iam_role_policy" "witness" {
  for_each = aws_iam_role.witness

  name   = "lease"
  role   = each.value.name
  policy = data.aws_iam_policy_document.witness[each.key].json
}
