locals {
  cidrs = [for letter, region in var.regions : region.cidr]

  # Two ranges overlap exactly when they are the same after both are cut to the shorter prefix of the two.
  shorter_prefix = min([for cidr in local.cidrs : tonumber(split("/", cidr)[1])]...)
  cut_cidrs      = [for cidr in local.cidrs : cidrsubnet("${cidrhost(cidr, 0)}/${local.shorter_prefix}", 0, 0)]
}

resource "terraform_data" "rules" {
  lifecycle {
    precondition {
      condition     = length(distinct(local.cut_cidrs)) == length(local.cidrs)
      error_message = "The regions' address ranges (${join(", ", local.cidrs)}) overlap, so that the VPCs cannot be peered. Give each its own."
    }

    precondition {
      condition     = length(distinct([for letter, region in var.regions : region.region])) == length(var.regions)
      error_message = "Both regions are ${try(var.regions["a"].region, "")}. Two regions must be two."
    }

    precondition {
      condition     = contains(keys(var.regions), var.active_region)
      error_message = "active_region is ${var.active_region}, which is not one of the regions."
    }

    precondition {
      condition     = !local.two || var.witness_region != null
      error_message = "With two regions witness_region must name a third one."
    }

    precondition {
      condition     = !local.two || !contains([for letter, region in var.regions : region.region], coalesce(var.witness_region, "none"))
      error_message = "witness_region must be a third region: a witness in one of the two is lost together with it."
    }
  }
}
