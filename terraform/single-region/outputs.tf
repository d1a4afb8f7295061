output "url" {
  description = "Where the service answers."
  value       = var.domain == null ? "http://${module.region.alb_dns_name}" : "https://${var.domain}"
}

output "name_servers" {
  description = "Name servers of the zone that was made, to be entered at the registrar or in the parent zone; empty where a zone was given."
  value       = flatten([for dns in module.global : dns.name_servers])
}

output "alb_dns_name" {
  description = "DNS name of the load balancer."
  value       = module.region.alb_dns_name
}

output "bastion_public_ip" {
  description = "Address of the bastion; null while it is switched off."
  value       = module.region.bastion_public_ip
}

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = module.region.cluster_name
}

output "service_name" {
  description = "Name of the ECS service."
  value       = module.region.service_name
}

output "service_log_group" {
  description = "Log group of the tasks."
  value       = module.region.service_log_group
}

output "database_hosts" {
  description = "Database hosts, the primary first."
  value       = module.region.database_hosts
}

output "secret_arns" {
  description = "ARN of each secret."
  value       = module.region.secret_arns
}

output "alarm_topic_arn" {
  description = "Topic to which the alarms go."
  value       = module.region.alarm_topic_arn
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = module.region.dashboard_name
}
