resource "aws_appautoscaling_policy" "depth" {
  name               = var.step == "replace" ? "other" : "depth"
  service_namespace  = "ecs"
  resource_id        = "service/main/depth"
  scalable_dimension = "ecs:service:DesiredCount"
  policy_type        = "TargetTrackingScaling"

  target_tracking_scaling_policy_configuration {
    target_value = var.step == "in_place" ? 70 : 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
