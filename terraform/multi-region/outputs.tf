output "url" {
  description = "Where the service answers, whichever region serves."
  value       = "https://${var.domain}"
}

output "name_servers" {
  description = "Name servers of the zone that was made, to be entered at the registrar or in the parent zone; empty where a zone was given."
  value       = module.global.name_servers
}

output "regions" {
  description = "For each region by letter: AWS region, load balancer, cluster, service, database, bastion, alarm topic, dashboard."
  value = {
    for letter, region in { a = module.region_a, b = module.region_b } : letter => {
      region                  = region.region
      alb_dns_name            = region.alb_dns_name
      cluster_name            = region.cluster_name
      service_name            = region.service_name
      database_id             = region.database_id
      database_hosts          = region.database_hosts
      bastion_public_ip       = region.bastion_public_ip
      alarm_topic_arn         = region.alarm_topic_arn
      dashboard_name          = region.dashboard_name
    }
  }
}

output "latch_objects" {
  description = "For each region the S3 object whose existence sends traffic away from it."
  value       = module.global.latch_objects
}

output "health_check_ids" {
  description = "Ids of the Route 53 health checks, by kind and region."
  value       = module.global.health_check_ids
}

output "operator_role_arn" {
  description = "Role that a person takes on for a fail-over."
  value       = module.global.operator_role_arn
}

output "controller_role_arn" {
  description = "Role of the fail-over controller's task."
  value       = module.global.controller_role_arn
}

output "witness_bucket" {
  description = "Bucket of the controller's lease, in the witness region."
  value       = module.global.witness_bucket
}
