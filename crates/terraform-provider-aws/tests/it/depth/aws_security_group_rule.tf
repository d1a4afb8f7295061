resource "aws_security_group_rule" "depth" {
  security_group_id = "sg-0123456789abcdef0"
  type              = "ingress"
  protocol          = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_blocks       = var.step == "replace" ? ["10.2.0.0/16"] : ["10.0.0.0/16", "10.1.0.0/16"]
  description       = var.step == "in_place" ? "another" : "one"
}
