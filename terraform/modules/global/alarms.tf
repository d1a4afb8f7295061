# Alarms on the health checks. Route 53 reports its metrics in us-east-1 and nowhere else, so alarms, topic and key are
# there: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-cloudwatch.html

locals {
  route53_region = "us-east-1"

  check_alarms = merge(
    { for letter, check in aws_route53_health_check.deep : "deep-${letter}" => {
      id  = check.id
      why = "Region ${letter} does not answer /health/deep: DNS leaves it while this lasts."
    } },
    { for letter, check in aws_route53_health_check.latch : "latch-${letter}" => {
      id  = check.id
      why = "Region ${letter} is latched away: it gets no traffic until the latch is lifted by hand."
    } },
    { for letter, check in aws_route53_health_check.region_ok : "region-ok-${letter}" => {
      id  = check.id
      why = "Region ${letter} is not eligible: it does not answer, or is latched away."
    } },
  )

  check_names = local.two ? toset(flatten([for letter in ["a", "b"] : ["deep-${letter}", "latch-${letter}", "region-ok-${letter}"]])) : toset([])
}

data "aws_iam_policy_document" "alarms_key" {
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
}

resource "aws_kms_key" "alarms" {
  for_each = local.two_regions
  region   = local.route53_region

  description             = "${local.name}: topic of the health checks' alarms"
  policy                  = data.aws_iam_policy_document.alarms_key.json
  enable_key_rotation     = true
  deletion_window_in_days = 30

  tags = { Name = "${local.name}-route53-alarms" }
}

resource "aws_kms_alias" "alarms" {
  for_each = aws_kms_key.alarms
  region   = local.route53_region

  name          = "alias/${local.name}-route53-alarms"
  target_key_id = each.value.key_id
}

resource "aws_sns_topic" "alarms" {
  for_each = aws_kms_key.alarms
  region   = local.route53_region

  name              = "${local.name}-route53-alarms"
  kms_master_key_id = each.value.arn

  tags = { Name = "${local.name}-route53-alarms" }
}

data "aws_iam_policy_document" "alarms_topic" {
  for_each = aws_sns_topic.alarms

  statement {
    sid       = "AlarmsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [each.value.arn]

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
}

resource "aws_sns_topic_policy" "alarms" {
  for_each = aws_sns_topic.alarms
  region   = local.route53_region

  arn    = each.value.arn
  policy = data.aws_iam_policy_document.alarms_topic[each.key].json
}

resource "aws_sns_topic_subscription" "email" {
  for_each = local.two && var.alarm_email != null ? toset([var.alarm_email]) : toset([])
  region   = local.route53_region

  topic_arn = aws_sns_topic.alarms["this"].arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_metric_alarm" "check" {
  for_each = local.check_names
  region   = local.route53_region

  alarm_name        = "${local.name}-${each.key}"
  alarm_description = local.check_alarms[each.key].why
  alarm_actions     = [aws_sns_topic.alarms["this"].arn]
  ok_actions        = [aws_sns_topic.alarms["this"].arn]

  namespace           = "AWS/Route53"
  metric_name         = "HealthCheckStatus"
  dimensions          = { HealthCheckId = local.check_alarms[each.key].id }
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 1
  # A check reports every minute; silence means that nobody watches any more.
  treat_missing_data = "breaching"

  tags = { Name = "${local.name}-${each.key}" }
}
