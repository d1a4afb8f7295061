# API calls as events: the alarms on the bastion's sessions and rules need a trail that logs management events.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-ct-api-tutorial.html

locals {
  trail = var.create_trail ? toset(["this"]) : toset([])
}

module "trail" {
  source   = "../modules/bucket"
  for_each = local.trail

  region           = var.region
  name             = local.trail_bucket
  kms_key          = { arn = aws_kms_key.this.arn }
  expire_days      = var.trail_retention_days
  old_version_days = 7
  policies         = [data.aws_iam_policy_document.trail_bucket[each.key].json]
}

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
data "aws_iam_policy_document" "trail_bucket" {
  for_each = local.trail

  statement {
    sid       = "TrailLooksAtItsBucket"
    actions   = ["s3:GetBucketAcl"]
    resources = ["arn:${local.partition}:s3:::${local.trail_bucket}"]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }

  statement {
    sid       = "TrailWritesItsFiles"
    actions   = ["s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${local.trail_bucket}/AWSLogs/${local.account}/*"]

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
      values   = [local.trail_arn]
    }
  }
}

resource "aws_cloudtrail" "this" {
  # checkov:skip=CKV2_AWS_10:the alarms take the events from EventBridge, which needs no log group
  # checkov:skip=CKV_AWS_252:nobody has to hear of each delivered file

  for_each = module.trail
  region   = var.region

  name                          = local.trail_name
  s3_bucket_name                = each.value.name
  kms_key_id                    = aws_kms_key.this.arn
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true

  depends_on = [module.trail]
}
