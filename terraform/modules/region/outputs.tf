output "region" {
  description = "AWS region of everything below."
  value       = var.region
}

output "for_global" {
  description = "What modules/global wants to know of a region, in the form of its variable `regions`."
  value = {
    region                     = var.region
    vpc_id                     = aws_vpc.this.id
    cidr                       = var.network.cidr
    private_cidrs              = local.private_cidrs
    private_route_table_ids    = { for zone, table in aws_route_table.private : zone => table.id }
    task_security_group_id     = aws_security_group.tasks.id
    database_security_group_id = aws_security_group.database.id
    alb_dns_name               = aws_lb.this.dns_name
    alb_zone_id                = aws_lb.this.zone_id
    database_id                = local.database_id
    cluster_name               = local.cluster_name
    service_name               = local.service_name
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Load balancer and certificate
# ---------------------------------------------------------------------------------------------------------------------

output "alb_dns_name" {
  description = "DNS name of the load balancer."
  value       = aws_lb.this.dns_name
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
