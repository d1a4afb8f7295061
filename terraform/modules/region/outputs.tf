output "region" {
  description = "AWS region of everything below."
  value       = var.region
}

# ---------------------------------------------------------------------------------------------------------------------
# Network
# ---------------------------------------------------------------------------------------------------------------------

output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "Address range of the VPC."
  value       = var.network.cidr
}

output "private_cidrs" {
  description = "Address range of each private subnet, by zone letter: where the tasks are."
  value       = local.private_cidrs
}

output "private_route_table_ids" {
  description = "Id of each private subnet's route table, by zone letter."
  value       = { for zone, table in aws_route_table.private : zone => table.id }
}

output "task_security_group_id" {
  description = "Id of the tasks' security group."
  value       = aws_security_group.tasks.id
}

output "database_security_group_id" {
  description = "Id of the databases' security group."
  value       = aws_security_group.database.id
}

# ---------------------------------------------------------------------------------------------------------------------
# Load balancer and certificate
# ---------------------------------------------------------------------------------------------------------------------

output "alb_arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "alb_dns_name" {
  description = "DNS name of the load balancer."
  value       = aws_lb.this.dns_name
}

output "alb_zone_id" {
  description = "Id of AWS's hosted zone in which the load balancer's name is, for an alias record."
  value       = aws_lb.this.zone_id
}

output "certificate_validation_options" {
  description = "DNS records that the certificate asks for; empty without a domain."
  value       = flatten([for certificate in aws_acm_certificate.this : [for option in certificate.domain_validation_options : option]])
}

# ---------------------------------------------------------------------------------------------------------------------
# Service
# ---------------------------------------------------------------------------------------------------------------------

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = local.cluster_name
}

output "service_name" {
  description = "Name of the ECS service."
  value       = local.service_name
}

output "task_definition_arn" {
  description = "ARN of the task definition's newest revision."
  value       = aws_ecs_task_definition.this.arn
}

output "service_log_group" {
  description = "Name of the log group in which the tasks write."
  value       = aws_cloudwatch_log_group.service.name
}

# ---------------------------------------------------------------------------------------------------------------------
# Database
# ---------------------------------------------------------------------------------------------------------------------

output "database_id" {
  description = "Identifier of the region's database."
  value       = local.database_id
}

output "database_arn" {
  description = "ARN of the region's database, from which another region can replicate."
  value       = aws_db_instance.primary.arn
}

output "database_hosts" {
  description = "Database hosts of this region, the primary's instance first."
  value       = local.database_hosts
}

# ---------------------------------------------------------------------------------------------------------------------
# Keys and secrets
# ---------------------------------------------------------------------------------------------------------------------

output "kms_key_arn" {
  description = "ARN of the region's key."
  value       = aws_kms_key.this.arn
}

output "secret_arns" {
  description = "ARN in this region of each secret."
  value       = local.secret_arns
}

output "database_secret_version_id" {
  description = "Current version of the database's secret."
  value       = local.database_version_id
}

# ---------------------------------------------------------------------------------------------------------------------
# Bastion, alarms
# ---------------------------------------------------------------------------------------------------------------------

output "bastion_public_ip" {
  description = "Address of the bastion; null while it is switched off."
  value       = one([for bastion in aws_instance.bastion : bastion.public_ip])
}

output "alarm_topic_arn" {
  description = "ARN of the topic to which the region's alarms go."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard_name" {
  description = "Name of the region's dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
