# Where alarms go, what raises them, and what a missing value means for each.

# ---------------------------------------------------------------------------------------------------------------------
# Topic
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_sns_topic" "alarms" {
  region = var.region

  name              = "${local.name}-alarms"
  kms_master_key_id = aws_kms_key.this.arn

  tags = { Name = "${local.name}-alarms" }
}

data "aws_iam_policy_document" "alarms_topic" {
  statement {
    sid       = "AlarmsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

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

  # "You can't use Condition blocks in Amazon SNS topic policies for EventBridge."
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions
  dynamic "statement" {
    for_each = local.bastion

    content {
      sid       = "EventsAboutTheBastion"
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.alarms.arn]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  region = var.region

  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms_topic.json
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarms.email == null ? toset([]) : toset([var.alarms.email])
  region   = var.region

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

# ---------------------------------------------------------------------------------------------------------------------
# Metrics made out of logs
# ---------------------------------------------------------------------------------------------------------------------

# log_min_duration_statement writes "LOG:  duration: 812.345 ms  execute ..." for slow statements only.
resource "aws_cloudwatch_log_metric_filter" "slow_queries" {
  for_each = toset(local.database_instances)
  region   = var.region

  name           = "${each.key}-slow-queries"
  log_group_name = aws_cloudwatch_log_group.database["${each.key}/postgresql"].name
  pattern        = "\"LOG:  duration:\""

  metric_transformation {
    namespace     = local.metric_namespace
    name          = "SlowQueries-${each.key}"
    value         = "1"
    default_value = "0"
  }
}

# Accepted flows to port 22: only the bastion's security group accepts any, so each is a login or an attempt at one.
# Fields: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
resource "aws_cloudwatch_log_metric_filter" "bastion_ssh" {
  for_each = local.bastion
  region   = var.region

  name           = "${local.name}-bastion-ssh"
  log_group_name = aws_cloudwatch_log_group.flow.name
  pattern        = "[version, account, interface, source, destination, sourceport, destinationport=\"22\", protocol=\"6\", packets, bytes, start, end, action=\"ACCEPT\", status]"

  metric_transformation {
    namespace     = local.metric_namespace
    name          = "BastionSsh"
    value         = "1"
    default_value = "0"
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Alarms on one metric
# ---------------------------------------------------------------------------------------------------------------------

locals {
  metric_namespace = "HelloYou/${local.name}"

  service_dimensions = { ClusterName = local.cluster_name, ServiceName = local.service_name }

  alb_dimensions    = { LoadBalancer = aws_lb.this.arn_suffix }
  target_dimensions = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }

  # For each instance of this region. `missing` says what the absence of values means, and each has its reason.
  database_alarms = merge([
    for instance in local.database_instances : {
      "${instance}-cpu" = {
        why        = "The processor of ${instance} is busy: queries queue, a standby falls behind."
        namespace  = "AWS/RDS"
        metric     = "CPUUtilization"
        dimensions = { DBInstanceIdentifier = instance }
        statistic  = "Average"
        comparison = "GreaterThanThreshold"
        threshold  = var.alarms.database_cpu_percent
        period     = 60
        periods    = 5
        # An instance that reports nothing is down or gone.
        missing = "breaching"
      }
      "${instance}-storage" = {
        why        = "Little disk is left on ${instance}: a full disk stops writes."
        namespace  = "AWS/RDS"
        metric     = "FreeStorageSpace"
        dimensions = { DBInstanceIdentifier = instance }
        statistic  = "Minimum"
        comparison = "LessThanThreshold"
        threshold  = var.alarms.database_free_gib * 1024 * 1024 * 1024
        period     = 300
        periods    = 1
        missing    = "breaching"
      }
      "${instance}-connections" = {
        why        = "${instance} has few connections left of its max_connections."
        namespace  = "AWS/RDS"
        metric     = "DatabaseConnections"
        dimensions = { DBInstanceIdentifier = instance }
        statistic  = "Maximum"
        comparison = "GreaterThanThreshold"
        threshold  = floor(var.database.max_connections * var.alarms.database_connections_pct / 100)
        period     = 60
        periods    = 3
        missing    = "breaching"
      }
      "${instance}-lag" = {
        why        = "${instance} replays late. Honest at rest too: the service writes a heartbeat every 5 s, without which an idle database shows up to 300 s."
        namespace  = "AWS/RDS"
        metric     = "ReplicaLag"
        dimensions = { DBInstanceIdentifier = instance }
        statistic  = "Maximum"
        comparison = "GreaterThanThreshold"
        threshold  = var.alarms.replica_lag_seconds
        period     = 60
        periods    = 5
        # A primary has no such metric, and any instance may be a primary after a promotion. A replica that is gone shows
        # in the other alarms of the same instance.
        missing = "notBreaching"
      }
      "${instance}-slow-queries" = {
        why        = "Statements on ${instance} take more than ${var.database.slow_query_ms} ms, many of them."
        namespace  = local.metric_namespace
        metric     = "SlowQueries-${instance}"
        dimensions = {}
        statistic  = "Sum"
        comparison = "GreaterThanThreshold"
        threshold  = var.alarms.slow_queries
        period     = 300
        periods    = 1
        # No log line, no slow statement.
        missing = "notBreaching"
      }
    }
  ]...)

  service_alarms = {
    "service-cpu" = {
      why        = "The tasks are busy although scaling out should have helped: the maximum may be reached."
      namespace  = "AWS/ECS"
      metric     = "CPUUtilization"
      dimensions = local.service_dimensions
      statistic  = "Average"
      comparison = "GreaterThanThreshold"
      threshold  = var.alarms.service_cpu_percent
      period     = 60
      periods    = 5
      # No task at all is what `running-below-desired` and `none-healthy` say.
      missing = "notBreaching"
    }
    "service-memory" = {
      why        = "The tasks are near their memory limit: the next step is a kill."
      namespace  = "AWS/ECS"
      metric     = "MemoryUtilization"
      dimensions = local.service_dimensions
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = var.alarms.service_memory_percent
      period     = 60
      periods    = 5
      missing    = "notBreaching"
    }
  }

  load_balancer_alarms = {
    "alb-5xx" = {
      why        = "The load balancer itself answers with errors: no target, or one that closes connections."
      namespace  = "AWS/ApplicationELB"
      metric     = "HTTPCode_ELB_5XX_Count"
      dimensions = local.alb_dimensions
      statistic  = "Sum"
      comparison = "GreaterThanThreshold"
      threshold  = var.alarms.errors_5xx
      period     = 60
      periods    = 2
      # The count is only reported when it is not zero.
      missing = "notBreaching"
    }
    "target-5xx" = {
      why        = "The service answers with errors. A deployment that raises this is rolled back."
      namespace  = "AWS/ApplicationELB"
      metric     = "HTTPCode_Target_5XX_Count"
      dimensions = local.target_dimensions
      statistic  = "Sum"
      comparison = "GreaterThanThreshold"
      threshold  = var.alarms.errors_5xx
      period     = 60
      periods    = 2
      missing    = "notBreaching"
    }
    "latency-p99" = {
      why        = "One request in a hundred is slow. A deployment that raises this is rolled back."
      namespace  = "AWS/ApplicationELB"
      metric     = "TargetResponseTime"
      dimensions = local.target_dimensions
      statistic  = "p99"
      comparison = "GreaterThanThreshold"
      threshold  = var.alarms.p99_seconds
      period     = 60
      periods    = 5
      # No request, no latency.
      missing = "notBreaching"
    }
    "unhealthy-hosts" = {
      why        = "A task fails its liveness check and is not replaced."
      namespace  = "AWS/ApplicationELB"
      metric     = "UnHealthyHostCount"
      dimensions = local.target_dimensions
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = 0
      period     = 60
      periods    = 5
      # Reported while any target is registered; with none, `none-healthy` speaks.
      missing = "notBreaching"
    }
    "none-healthy" = {
      why        = "No task is healthy in this region."
      namespace  = "AWS/ApplicationELB"
      metric     = "HealthyHostCount"
      dimensions = local.target_dimensions
      statistic  = "Maximum"
      comparison = "LessThanThreshold"
      threshold  = 1
      period     = 60
      periods    = 2
      # Without a registered target there is no value, and that is the worst case.
      missing = "breaching"
    }
  }

  bastion_alarms = {
    for this in local.bastion : "bastion-ssh" => {
      why        = "Somebody connected to the bastion by ssh."
      namespace  = local.metric_namespace
      metric     = "BastionSsh"
      dimensions = {}
      statistic  = "Sum"
      comparison = "GreaterThanThreshold"
      threshold  = 0
      period     = 60
      periods    = 1
      # No flow, no login.
      missing = "notBreaching"
    }
  }

  alarms = merge(local.database_alarms, local.service_alarms, local.load_balancer_alarms, local.bastion_alarms)

  # The system's name once, also where the key begins with that of a database.
  alarm_names = { for key, alarm in local.alarms : key => "${local.name}-${trimprefix(key, "${local.name}-")}" }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms
  region   = var.region

  alarm_name        = local.alarm_names[each.key]
  alarm_description = each.value.why
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]

  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing

  tags = { Name = local.alarm_names[each.key] }
}

# ---------------------------------------------------------------------------------------------------------------------
# Running below desired: two metrics, one alarm
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "running_below_desired" {
  region = var.region

  alarm_name        = "${local.name}-running-below-desired"
  alarm_description = "Fewer tasks run than the service wants: they do not start, or there is no capacity."
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]

  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 10
  datapoints_to_alarm = 10
  # Container Insights reports while the service exists; its silence must not pass for health.
  treat_missing_data = "breaching"

  metric_query {
    id          = "missing"
    label       = "desired - running"
    expression  = "desired - running"
    return_data = true
  }

  metric_query {
    id = "desired"

    metric {
      namespace   = "ECS/ContainerInsights"
      metric_name = "DesiredTaskCount"
      dimensions  = local.service_dimensions
      stat        = "Average"
      period      = 60
    }
  }

  metric_query {
    id = "running"

    metric {
      namespace   = "ECS/ContainerInsights"
      metric_name = "RunningTaskCount"
      dimensions  = local.service_dimensions
      stat        = "Average"
      period      = 60
    }
  }

  tags = { Name = "${local.name}-running-below-desired" }
}

# ---------------------------------------------------------------------------------------------------------------------
# The bastion: sessions, and changes of who may connect
# ---------------------------------------------------------------------------------------------------------------------

# Events of API calls need a CloudTrail trail that logs; terraform/bootstrap makes one.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-ct-api-tutorial.html

locals {
  bastion_instance  = one([for bastion in aws_instance.bastion : bastion.id])
  bastion_interface = one([for bastion in aws_instance.bastion : bastion.primary_network_interface_id])
  bastion_group     = one([for group in aws_security_group.bastion : group.id])

  bastion_events = {
    session = {
      why    = "Somebody opened a session on the bastion through Session Manager"
      source = "aws.ssm"
      detail = {
        eventSource       = ["ssm.amazonaws.com"]
        eventName         = ["StartSession", "ResumeSession"]
        requestParameters = { target = [local.bastion_instance] }
      }
    }

    rules = {
      why    = "Somebody changed who may connect to the bastion, or to what it may connect"
      source = "aws.ec2"
      detail = {
        eventSource = ["ec2.amazonaws.com"]
        eventName = [
          "AuthorizeSecurityGroupIngress",
          "AuthorizeSecurityGroupEgress",
          "RevokeSecurityGroupIngress",
          "RevokeSecurityGroupEgress",
          "ModifySecurityGroupRules",
        ]
        # The last call has the group's id in another place than the first four.
        "$or" = [
          { requestParameters = { groupId = [local.bastion_group] } },
          { requestParameters = { ModifySecurityGroupRulesRequest = { GroupId = [local.bastion_group] } } },
        ]
      }
    }

    groups = {
      why    = "Somebody gave the bastion other security groups"
      source = "aws.ec2"
      detail = {
        eventSource       = ["ec2.amazonaws.com"]
        eventName         = ["ModifyNetworkInterfaceAttribute"]
        requestParameters = { networkInterfaceId = [local.bastion_interface] }
      }
    }
  }
}

resource "aws_cloudwatch_event_rule" "bastion" {
  for_each = var.bastion.enabled ? toset(["session", "rules", "groups"]) : toset([])
  region   = var.region

  name        = "${local.name}-bastion-${each.key}"
  description = local.bastion_events[each.key].why

  event_pattern = jsonencode({
    source      = [local.bastion_events[each.key].source]
    detail-type = ["AWS API Call via CloudTrail"]
    detail      = local.bastion_events[each.key].detail
  })

  tags = { Name = "${local.name}-bastion-${each.key}" }
}

resource "aws_cloudwatch_event_target" "bastion" {
  for_each = aws_cloudwatch_event_rule.bastion
  region   = var.region

  rule      = each.value.name
  target_id = "alarms"
  arn       = aws_sns_topic.alarms.arn
}
