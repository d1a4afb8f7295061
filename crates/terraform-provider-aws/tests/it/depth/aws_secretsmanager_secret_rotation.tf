resource "aws_secretsmanager_secret_rotation" "depth" {
  secret_id           = var.step == "replace" ? "secret-2" : "secret-1"
  rotation_lambda_arn = "arn:aws:lambda:eu-west-1:123456789012:function:rotate"

  rotation_rules {
    automatically_after_days = var.step == "in_place" ? 30 : 60
  }
}
