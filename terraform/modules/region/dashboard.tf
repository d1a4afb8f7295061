# One page with everything that the alarms watch, built from the same table, so that no alarm lacks its curve.

locals {
  alarm_arn_prefix = "arn:${local.partition}:cloudwatch:${var.region}:${local.account}:alarm:"

  shown_alarms = sort(concat(values(local.alarm_names), ["${local.name}-running-below-desired"]))

  metric_widgets = [
    for key in sort(keys(local.alarms)) : {
      type   = "metric"
      width  = 8
      height = 6
      properties = {
        title  = key
        region = var.region
        view   = "timeSeries"
        period = local.alarms[key].period
        stat   = local.alarms[key].statistic
        metrics = [
          concat(
            [local.alarms[key].namespace, local.alarms[key].metric],
            flatten([for name, value in local.alarms[key].dimensions : [name, value]]),
          )
        ]
        annotations = { horizontal = [{ label = "alarm", value = local.alarms[key].threshold }] }
      }
    }
  ]

  task_widget = {
    type   = "metric"
    width  = 8
    height = 6
    properties = {
      title  = "tasks"
      region = var.region
      view   = "timeSeries"
      period = 60
      stat   = "Average"
      metrics = [
        ["ECS/ContainerInsights", "DesiredTaskCount", "ClusterName", local.cluster_name, "ServiceName", local.service_name],
        ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", local.cluster_name, "ServiceName", local.service_name],
      ]
    }
  }

  status_widget = {
    type   = "alarm"
    width  = 24
    height = 4
    properties = {
      title  = "${local.name} in ${var.region}"
      alarms = [for name in local.shown_alarms : "${local.alarm_arn_prefix}${name}"]
    }
  }
}

# Dashboards are global in an account, hence the region in the name.
resource "aws_cloudwatch_dashboard" "this" {
  region = var.region

  dashboard_name = "${local.name}-${var.region}"
  dashboard_body = jsonencode({ widgets = concat([local.status_widget, local.task_widget], local.metric_widgets) })
}
