resource "aws_ssm_parameter" "depth" {
  name  = var.step == "replace" ? "/depth/2" : "/depth/1"
  type  = "String"
  value = var.step == "in_place" ? "two" : "one"
}
