# The latches: for each region r, a bucket in the other region that holds, or does not hold, the object `away-from-<r>`.
# dns.tf says what they are for.

locals {
  latch_keys    = { for letter, region in local.pair : letter => "away-from-${letter}" }
  latch_regions = { for letter, region in local.pair : letter => local.pair[local.other[letter]].region }
  latch_buckets = { for letter, region in local.latch_regions : letter => "${local.name}-latch-${letter}-${local.account}-${region}" }
}

# SSE-S3: an object that a KMS key encrypts cannot be read anonymously, and Route 53 reads anonymously.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
# Who set a latch, and when, stays readable for a year after it is lifted.
module "latch" {
  source   = "../bucket"
  for_each = local.pair

  region           = local.latch_regions[each.key]
  name             = local.latch_buckets[each.key]
  old_version_days = 365
  open_to_policy   = true
  policies         = [data.aws_iam_policy_document.latch[each.key].json]
}

data "aws_iam_policy_document" "latch" {
  for_each = local.pair

  statement {
    # One key, reading, no listing: without the right to list, S3 answers 403 for a key that is absent.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    sid       = "AnyoneReadsTheLatch"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::${local.latch_buckets[each.key]}/${local.latch_keys[each.key]}"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "OnlyTheOperatorWrites"
    effect    = "Deny"
    actions   = ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = ["arn:${local.partition}:s3:::${local.latch_buckets[each.key]}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = [aws_iam_role.operator["this"].arn]
    }
  }
}
