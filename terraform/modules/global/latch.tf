# The latches: for each region r, a bucket in the other region that holds, or does not hold, the object `away-from-<r>`.
# dns.tf says what they are for.

locals {
  latch_keys    = { for letter, region in local.pair : letter => "away-from-${letter}" }
  latch_regions = { for letter, region in local.pair : letter => local.pair[local.other[letter]].region }
}

resource "aws_s3_bucket" "latch" {
  # checkov:skip=CKV_AWS_18:the trail sees who changes the bucket; a log of each read would need a bucket, and that one a bucket
  # checkov:skip=CKV2_AWS_62:nothing has to happen when an object arrives
  # checkov:skip=CKV_AWS_144:a latch is one object, written by hand, in the region that it is for
  # checkov:skip=CKV_AWS_145:an object under a KMS key cannot be read anonymously, and Route 53 reads anonymously
  # checkov:skip=CKV2_AWS_6:the block is there and lets a policy in: anyone may read the one key

  for_each = local.pair
  region   = local.latch_regions[each.key]

  bucket = "${local.name}-latch-${each.key}-${local.account}-${local.latch_regions[each.key]}"

  tags = { Name = "${local.name}-latch-${each.key}" }
}

# Opened for a policy, never for an access list: the policy below lets anyone read one key.
resource "aws_s3_bucket_public_access_block" "latch" {
  # checkov:skip=CKV_AWS_54:the policy that lets anyone read the one key is public on purpose
  # checkov:skip=CKV_AWS_56:Route 53's checkers read anonymously

  for_each = aws_s3_bucket.latch
  region   = each.value.region

  bucket                  = each.value.id
  block_public_acls       = true
  ignore_public_acls      = true
  block_public_policy     = false
  restrict_public_buckets = false
}

resource "aws_s3_bucket_ownership_controls" "latch" {
  for_each = aws_s3_bucket.latch
  region   = each.value.region

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# SSE-S3: an object that a KMS key encrypts cannot be read anonymously.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
resource "aws_s3_bucket_server_side_encryption_configuration" "latch" {
  for_each = aws_s3_bucket.latch
  region   = each.value.region

  bucket = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# Who set a latch, and when, stays readable after it is lifted.
resource "aws_s3_bucket_versioning" "latch" {
  for_each = aws_s3_bucket.latch
  region   = each.value.region

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "latch" {
  for_each = aws_s3_bucket.latch
  region   = each.value.region

  bucket = each.value.id

  rule {
    id     = "forget-old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 365
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.latch]
}

data "aws_iam_policy_document" "latch" {
  for_each = aws_s3_bucket.latch

  statement {
    # One key, reading, no listing: without the right to list, S3 answers 403 for a key that is absent.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    sid       = "AnyoneReadsTheLatch"
    actions   = ["s3:GetObject"]
    resources = ["${each.value.arn}/${local.latch_keys[each.key]}"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "OnlyTheOperatorWrites"
    effect    = "Deny"
    actions   = ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = ["${each.value.arn}/*"]

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

resource "aws_s3_bucket_policy" "latch" {
  for_each = aws_s3_bucket.latch
  region   = each.value.region

  bucket = each.value.id
  policy = data.aws_iam_policy_document.latch[each.key].json

  # While public policies are blocked S3 refuses this one.
  depends_on = [aws_s3_bucket_public_access_block.latch]
}
