# API calls as events: the alarms on the bastion's sessions and rules need a trail that logs management events.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-ct-api-tutorial.html

locals {
  trail = var.create_trail ? toset(["this"]) : toset([])
}

resource "aws_s3_bucket" "trail" {
  # checkov:skip=CKV_AWS_18:the trail sees who changes the bucket; a log of each read would need a bucket, and that one a bucket
  # checkov:skip=CKV2_AWS_62:nothing has to happen when an object arrives
  # checkov:skip=CKV_AWS_144:the events of the last 90 days are in CloudTrail's history of every region besides

  for_each = local.trail
  region   = var.region

  bucket = "${var.name}-trail-${local.account}-${var.region}"
}

resource "aws_s3_bucket_versioning" "trail" {
  for_each = aws_s3_bucket.trail
  region   = var.region

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "trail" {
  for_each = aws_s3_bucket.trail
  region   = var.region

  bucket = each.value.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "trail" {
  for_each = aws_s3_bucket.trail
  region   = var.region

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "trail" {
  for_each = aws_s3_bucket.trail
  region   = var.region

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "trail" {
  for_each = aws_s3_bucket.trail
  region   = var.region

  bucket = each.value.id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.trail_retention_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.trail]
}

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
data "aws_iam_policy_document" "trail_bucket" {
  for_each = aws_s3_bucket.trail

  statement {
    sid       = "TrailLooksAtItsBucket"
    actions   = ["s3:GetBucketAcl"]
    resources = [each.value.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudtrail:${var.region}:${local.account}:trail/${local.trail_name}"]
    }
  }

  statement {
    sid       = "TrailWritesItsFiles"
    actions   = ["s3:PutObject"]
    resources = ["${each.value.arn}/AWSLogs/${local.account}/*"]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "s3:x-amz-acl"
      values   = ["bucket-owner-full-control"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudtrail:${var.region}:${local.account}:trail/${local.trail_name}"]
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

resource "aws_s3_bucket_policy" "trail" {
  for_each = aws_s3_bucket.trail
  region   = var.region

  bucket = each.value.id
  policy = data.aws_iam_policy_document.trail_bucket[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.trail]
}

resource "aws_cloudtrail" "this" {
  # checkov:skip=CKV2_AWS_10:the alarms take the events from EventBridge, which needs no log group
  # checkov:skip=CKV_AWS_252:nobody has to hear of each delivered file

  for_each = aws_s3_bucket.trail
  region   = var.region

  name                          = local.trail_name
  s3_bucket_name                = each.value.id
  kms_key_id                    = aws_kms_key.this.arn
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true

  depends_on = [aws_s3_bucket_policy.trail]
}
