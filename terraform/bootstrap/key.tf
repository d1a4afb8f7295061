# The key of state and trail.

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:in a key policy the resource is the key itself, and the account's root keeps it manageable
  # checkov:skip=CKV_AWS_111:in a key policy the resource is the key itself
  # checkov:skip=CKV_AWS_356:in a key policy the resource is the key itself

  statement {
    # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    sid       = "AccountDecidesByIam"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  statement {
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    sid       = "TrailEncryptsItsFiles"
    actions   = ["kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

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
}

resource "aws_kms_key" "this" {
  region = var.region

  description             = "${var.name}: Terraform's state and the trail"
  policy                  = data.aws_iam_policy_document.key.json
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_kms_alias" "this" {
  region = var.region

  name          = "alias/${var.name}-bootstrap"
  target_key_id = aws_kms_key.this.key_id
}
