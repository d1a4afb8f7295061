resource "aws_ecs_task_definition" "depth" {
  family                   = "depth"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.step == "replace" ? "512" : "256"
  memory                   = "1024"
  track_latest             = var.step == "in_place"

  container_definitions = jsonencode([{
    name      = "app"
    image     = "ghcr.io/example/app@sha256:0"
    essential = true
  }])
}
