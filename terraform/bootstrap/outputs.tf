output "state_bucket" {
  description = "Bucket for the backend of the other roots (backend.tf)."
  value       = module.state.name
}

output "state_region" {
  description = "Region of that bucket."
  value       = var.region
}

output "role_arns" {
  description = "Roles of the workflows by environment, for the repository's variables PLAN_ROLE_ARN and APPLY_ROLE_ARN."
  value       = { for environment, role in aws_iam_role.github : environment => role.arn }
}
