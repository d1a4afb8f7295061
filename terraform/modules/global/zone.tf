# The zone, where none is given, and the one record that proves to ACM that the domain is ours.

resource "aws_route53_zone" "this" {
  # checkov:skip=CKV2_AWS_38:DNSSEC needs a key at the registrar, by hand, and a mistake there takes the domain off the net; docs/RUNBOOK.md leaves it to the owner
  # checkov:skip=CKV2_AWS_39:a log of every question is personal data and answers no question of ours

  for_each = var.zone_id == null ? toset(["this"]) : toset([])

  name          = var.domain
  comment       = "${local.name}, made by Terraform"
  force_destroy = !local.protected

  # Changes of records come back within an hour when us-east-1, Route 53's control plane, is impaired. A zone that has
  # it cannot be deleted before it is switched off.
  # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/accelerated-recovery.html
  enable_accelerated_recovery = local.protected

  tags = { Name = var.domain }
}

locals {
  zone_id = var.zone_id == null ? aws_route53_zone.this["this"].zone_id : var.zone_id

  validation = one([for option in var.validation_options : option if option.domain_name == var.domain])
}

# Once, whatever the number of regions: ACM asks for the same CNAME for a name, in each region and account the same.
# https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
resource "aws_route53_record" "validation" {
  zone_id = local.zone_id
  name    = local.validation.resource_record_name
  type    = local.validation.resource_record_type
  records = [local.validation.resource_record_value]
  ttl     = 60
}
