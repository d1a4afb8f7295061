# Out and in on three targets; the one that asks for most tasks wins, and in happens only when all agree.
# The role changes the lower limit and nothing else: the pilot is one warm task that can grow to the active's maximum.

locals {
  min_tasks = var.role == "active" ? var.scaling.active_min : var.scaling.pilot_min

  # A rolling deployment may run twice the tasks for a moment.
  deployment_maximum_percent = 200

  scaling_policies = {
    cpu = {
      metric = "ECSServiceAverageCPUUtilization"
      label  = null
      target = var.scaling.cpu_percent
    }
    memory = {
      metric = "ECSServiceAverageMemoryUtilization"
      label  = null
      target = var.scaling.memory_percent
    }
    requests = {
      metric = "ALBRequestCountPerTarget"
      label  = "${aws_lb.this.arn_suffix}/${aws_lb_target_group.this.arn_suffix}"
      target = var.scaling.requests_per_target
    }
  }
}

resource "aws_appautoscaling_target" "service" {
  region = var.region

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this.name}"
  min_capacity       = local.min_tasks
  max_capacity       = var.scaling.max

  tags = { Name = local.service_name }
}

resource "aws_appautoscaling_policy" "service" {
  for_each = local.scaling_policies
  region   = var.region

  name               = "${local.service_name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.service.service_namespace
  scalable_dimension = aws_appautoscaling_target.service.scalable_dimension
  resource_id        = aws_appautoscaling_target.service.resource_id

  target_tracking_scaling_policy_configuration {
    target_value = each.value.target

    # By default out at once, and in slowly, so that a lull between two waves does not take away what the second one needs.
    scale_out_cooldown = var.scaling.out_cooldown
    scale_in_cooldown  = var.scaling.in_cooldown

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
      resource_label         = each.value.label
    }
  }
}
