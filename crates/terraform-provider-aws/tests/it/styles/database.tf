terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 4.0"
    }
    random = {
      source = "hashicorp/random"
    }
  }
}
resource "random_password" "db" {
  length           = 24
  special          = true
  override_special = "!#$%&*()-_=+[]{}<>:?"
}
resource "random_id" "suffix" {
  byte_length = 4
}
resource "aws_ssm_parameter" "db" {
  name  = "/app/db_password"
  type  = "SecureString"
  value = random_password.db.result
}
resource "aws_db_subnet_group" "db" {
  name       = "app"
  subnet_ids = ["subnet-1", "subnet-2"]
}
resource "aws_db_parameter_group" "db" {
  name   = "app-postgres16"
  family = "postgres16"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  parameter {
    name         = "log_connections"
    value        = "1"
    apply_method = "pending-reboot"
  }
}
resource "aws_db_instance" "db" {
  identifier                = "app"
  engine                    = "postgres"
  engine_version            = "16.4"
  instance_class            = "db.t4g.micro"
  allocated_storage         = 20
  max_allocated_storage     = 100
  storage_encrypted         = true
  db_name                   = "app"
  username                  = "owner"
  password                  = random_password.db.result
  db_subnet_group_name      = aws_db_subnet_group.db.name
  parameter_group_name      = aws_db_parameter_group.db.name
  backup_retention_period   = 7
  final_snapshot_identifier = "app-${random_id.suffix.hex}"
}
resource "aws_db_instance" "replica" {
  identifier          = "app-replica"
  instance_class      = "db.t4g.micro"
  replicate_source_db = aws_db_instance.db.identifier
  skip_final_snapshot = true
}
resource "aws_s3_bucket" "assets" {
  bucket = "assets-${random_id.suffix.hex}"
}
resource "aws_s3_bucket_public_access_block" "assets" {
  bucket                  = aws_s3_bucket.assets.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
output "endpoint" {
  value = aws_db_instance.db.endpoint
}
