# A bucket as all of ours are: private, versioned, encrypted, without access lists, over TLS only, and cleaned up.

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:the trail sees who changes the bucket; a log of each read would need a bucket, and that one a bucket
  # checkov:skip=CKV2_AWS_62:nothing has to happen when an object arrives
  # checkov:skip=CKV_AWS_144:logs of a lost region are no help in the other, a lease or latch in two places is two, and the state is versioned
  # checkov:skip=CKV_AWS_145:with SSE-S3 where a key cannot be used; the caller that gives none says why
  # checkov:skip=CKV2_AWS_6:the block is there; it lets a policy in where the caller asks for that

  region = var.region

  bucket        = var.name
  force_destroy = var.force_destroy

  tags = { Name = var.name }
}

# Access lists never let anyone in; a policy does where `open_to_policy` says so.
resource "aws_s3_bucket_public_access_block" "this" {
  # checkov:skip=CKV_AWS_54:open for the latches alone, whose policy lets anyone read one key
  # checkov:skip=CKV_AWS_56:open for the latches alone, since Route 53's checkers read anonymously

  region = var.region

  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  ignore_public_acls      = true
  block_public_policy     = !var.open_to_policy
  restrict_public_buckets = !var.open_to_policy
}

resource "aws_s3_bucket_ownership_controls" "this" {
  region = var.region

  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  region = var.region

  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  region = var.region

  bucket = aws_s3_bucket.this.id

  rule {
    # One request to the key for many objects; without a key it means nothing.
    bucket_key_enabled = var.kms_key != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key == null ? "AES256" : "aws:kms"
      kms_master_key_id = one(var.kms_key[*].arn)
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  region = var.region

  bucket = aws_s3_bucket.this.id

  rule {
    id     = "clean-up"
    status = "Enabled"

    filter {}

    dynamic "expiration" {
      for_each = var.expire_days == null ? [] : [var.expire_days]

      content {
        days = expiration.value
      }
    }

    noncurrent_version_expiration {
      noncurrent_days = var.old_version_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  # A rule for noncurrent versions needs versioning.
  depends_on = [aws_s3_bucket_versioning.this]
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = var.policies

  statement {
    sid       = "OnlyEncryptedConnections"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

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

resource "aws_s3_bucket_policy" "this" {
  region = var.region

  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.this.json

  # While public policies are blocked S3 refuses one that lets anyone in.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
