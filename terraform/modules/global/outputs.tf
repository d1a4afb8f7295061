output "name_servers" {
  description = "Name servers of the zone made here, to be entered at the registrar or in the parent zone; empty where a zone was given."
  value       = flatten([for zone in aws_route53_zone.this : zone.name_servers])
}

output "validation_fqdns" {
  description = "Names of the records that prove the domain is ours; every region's certificate waits for them."
  value       = [aws_route53_record.validation.fqdn]
}

output "latch_objects" {
  description = "For each region the S3 object whose existence sends traffic away from it, as s3://BUCKET/KEY."
  value       = { for letter, bucket in local.latch_buckets : letter => "s3://${bucket}/${local.latch_keys[letter]}" }
}

output "health_check_ids" {
  description = "Ids of the health checks, by kind and region."
  value = {
    deep      = { for letter, check in aws_route53_health_check.deep : letter => check.id }
    latch     = { for letter, check in aws_route53_health_check.latch : letter => check.id }
    region_ok = { for letter, check in aws_route53_health_check.region_ok : letter => check.id }
  }
}

output "operator_role_arn" {
  description = "Role that a person takes on for a fail-over; null with one region."
  value       = one([for role in aws_iam_role.operator : role.arn])
}

output "witness_bucket" {
  description = "Bucket of the controller's lease; null with one region."
  value       = one([for bucket in module.witness : bucket.name])
}

output "controller_role_arn" {
  description = "Role of the fail-over controller; null with one region."
  value       = one([for role in aws_iam_role.witness : role.arn])
}
