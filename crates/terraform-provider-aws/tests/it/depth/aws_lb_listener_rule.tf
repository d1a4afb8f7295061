resource "aws_lb_listener_rule" "depth" {
  listener_arn = var.step == "replace" ? "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/a/0123456789abcdef/2" : "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/a/0123456789abcdef/1"
  priority     = var.step == "in_place" ? 20 : 10

  action {
    type             = "forward"
    target_group_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/0123456789abcdef"
  }

  condition {
    path_pattern {
      values = ["/hello/*"]
    }
  }
}
