resource "aws_ecr_replication_configuration" "depth" {
  replication_configuration {
    rule {
      destination {
        region      = var.step == "in_place" ? "us-west-2" : "us-east-1"
        registry_id = "123456789012"
      }
    }
  }
}
