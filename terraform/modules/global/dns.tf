# How traffic finds its region, and how it leaves one that has failed.
#
# Nothing here is changed in a disaster: changing a record asks Route 53's control plane, which is in us-east-1, and
# might ask the region that is lost. Health checks and answers are the data plane, which stays.
#
# For each region r three checks exist, always, for both regions, whoever is active (a new check is "healthy until
# proven otherwise", an inverted one the contrary, so none must be born in a fail-over):
#
#   deep[r]       is r's own load balancer answering /health/deep with 200? Asked at the load balancer's own name, so
#                 that the answer is about r whatever DNS says of the domain. The certificate does not match that name;
#                 Route 53 does not look at it.
#   latch[r]      is the object `away-from-<r>` absent? It would be in a bucket of the *other* region, readable by
#                 anyone; absent, S3 answers 403 (listing is forbidden), the check fails, and inverted that is healthy.
#                 Writing the object latches traffic away from r, with nothing asked of r.
#   region_ok[r]  both of them.
#
# Two records share the domain, with identifiers that never change:
#
#   primary       alias to the active region's load balancer, with region_ok[active] and the target's own health.
#   secondary     alias to the pilot's, with latch[pilot] alone and without the target's health. It must not depend on the
#                 pilot's condition: while the secondary is unhealthy Route 53 answers with the primary *whatever the
#                 primary's health*, so that a blip in B would send clients back to A, where the database is stale.
#                 https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html (Failover)
#
# Before the latch is set DNS follows A's health, both ways: that is right for a partial outage, where B writes to A's
# database over the peering. After the latch nothing comes back by itself. So: latch first, then promote; and the
# latch is lifted only after A has been rebuilt as B's replica (docs/RUNBOOK.md).
#
# Time until clients arrive at B:
#
#   detection     10 s x 3 failures                          30 s   (interval cannot be changed later)
#   aggregation   checkers tell Route 53's name servers   5 - 10 s
#   caches        TTL of an alias to a load balancer         60 s   (fixed by AWS)
#                                                          -------
#                                                      at most 100 s for a client that respects TTLs, with no person
#                                                      and no program involved. Open connections to a load balancer
#                                                      that still answers live up to its client keep-alive, 300 s.
#
# Setting a latch takes the same 100 s at most: three checks find the object, then aggregation and caches.
#
# A planned switch-over changes alias targets and the primary's check in place. `secondary` waits for `primary`: in the
# other order both records would name the region that is being left for a minute.

# ---------------------------------------------------------------------------------------------------------------------
# One region: a plain alias record
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_route53_record" "only" {
  # checkov:skip=CKV2_AWS_23:the record leads to the load balancer that the variable names

  for_each = local.two ? {} : var.regions

  zone_id = local.zone_id
  name    = var.domain
  type    = "A"

  alias {
    name                   = each.value.alb_dns_name
    zone_id                = each.value.alb_zone_id
    evaluate_target_health = false
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Two regions: checks
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_route53_health_check" "deep" {
  for_each = local.pair

  type              = "HTTPS"
  fqdn              = each.value.alb_dns_name
  port              = 443
  resource_path     = "/health/deep"
  enable_sni        = true
  request_interval  = 10
  failure_threshold = 3

  tags = { Name = "${local.name}-deep-${each.key}" }
}

resource "aws_route53_health_check" "latch" {
  for_each = local.pair

  type               = "HTTPS"
  fqdn               = module.latch[each.key].regional_domain_name
  port               = 443
  resource_path      = "/${local.latch_keys[each.key]}"
  enable_sni         = true
  invert_healthcheck = true
  request_interval   = 10
  failure_threshold  = 3

  tags = { Name = "${local.name}-latch-${each.key}" }

  # Without the policy S3 answers 403 with the object there, too, and the latch would never hold.
  depends_on = [module.latch]
}

resource "aws_route53_health_check" "region_ok" {
  for_each = local.pair

  type                   = "CALCULATED"
  child_healthchecks     = [aws_route53_health_check.deep[each.key].id, aws_route53_health_check.latch[each.key].id]
  child_health_threshold = 2

  tags = { Name = "${local.name}-region-ok-${each.key}" }
}

# ---------------------------------------------------------------------------------------------------------------------
# Two regions: records. The role decides alias target and check, and nothing else in this whole configuration does.
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_route53_record" "primary" {
  # checkov:skip=CKV2_AWS_23:the record leads to the load balancer that the variable names

  for_each = local.two_regions

  zone_id         = local.zone_id
  name            = var.domain
  type            = "A"
  set_identifier  = "primary"
  health_check_id = aws_route53_health_check.region_ok[var.active_region].id

  failover_routing_policy {
    type = "PRIMARY"
  }

  alias {
    name                   = var.regions[var.active_region].alb_dns_name
    zone_id                = var.regions[var.active_region].alb_zone_id
    evaluate_target_health = true
  }
}

resource "aws_route53_record" "secondary" {
  # checkov:skip=CKV2_AWS_23:the record leads to the load balancer that the variable names

  for_each = local.two_regions

  zone_id         = local.zone_id
  name            = var.domain
  type            = "A"
  set_identifier  = "secondary"
  health_check_id = aws_route53_health_check.latch[local.pilot_region].id

  failover_routing_policy {
    type = "SECONDARY"
  }

  alias {
    name                   = var.regions[local.pilot_region].alb_dns_name
    zone_id                = var.regions[local.pilot_region].alb_zone_id
    evaluate_target_health = false
  }

  depends_on = [aws_route53_record.primary]
}
