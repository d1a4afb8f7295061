resource "aws_lb_target_group" "depth" {
  name                 = var.step == "replace" ? "depth-2" : "depth-1"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = "vpc-0123456789abcdef0"
  deregistration_delay = var.step == "in_place" ? "5" : "10"

  health_check {
    path    = "/health"
    matcher = "200"
  }
}
