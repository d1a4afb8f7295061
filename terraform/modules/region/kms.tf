# One key for everything that this region encrypts: database, secrets, logs, alarms' topic.
# A key never leaves its region, so the other region has its own and starts without this one.

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:in a key policy the resource is the key itself, and the account's root keeps it manageable
  # checkov:skip=CKV_AWS_111:in a key policy the resource is the key itself
  # checkov:skip=CKV_AWS_356:in a key policy the resource is the key itself

  statement {
    # Without it the key could be used by nobody and managed by nobody; IAM policies of the account decide the rest.
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
    # A replica whose key is disabled ends at once, without the seven days of grace that a single instance has.
    sid       = "NobodyDisables"
    effect    = "Deny"
    actions   = ["kms:DisableKey"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  statement {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    sid       = "LogGroupsOfThisRegion"
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:*"]
    }
  }

  statement {
    # Publishing to an encrypted topic.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    sid       = "AlarmsPublishEncrypted"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }

  # EventBridge, as for the topic itself (alarms.tf), without a condition.
  dynamic "statement" {
    for_each = local.bastion

    content {
      sid       = "BastionEventsPublishEncrypted"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
    }
  }
}

resource "aws_kms_key" "this" {
  region = var.region

  description             = "${local.name} in ${var.region}: database, secrets, logs, alarms"
  policy                  = data.aws_iam_policy_document.key.json
  enable_key_rotation     = true
  deletion_window_in_days = 30

  tags = { Name = local.name }
}

resource "aws_kms_alias" "this" {
  region = var.region

  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this.key_id
}
