resource "aws_appautoscaling_scheduled_action" "depth" {
  name               = "depth"
  service_namespace  = "ecs"
  resource_id        = var.step == "replace" ? "service/main/b" : "service/main/a"
  scalable_dimension = "ecs:service:DesiredCount"
  schedule           = var.step == "in_place" ? "cron(0 6 * * ? *)" : "cron(0 7 * * ? *)"

  scalable_target_action {
    min_capacity = 1
    max_capacity = 4
  }
}
