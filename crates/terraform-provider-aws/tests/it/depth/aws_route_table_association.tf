resource "aws_route_table_association" "depth" {
  subnet_id      = var.step == "replace" ? "subnet-0123456789abcdef1" : "subnet-0123456789abcdef0"
  route_table_id = var.step == "in_place" ? "rtb-0123456789abcdef1" : "rtb-0123456789abcdef0"
}
