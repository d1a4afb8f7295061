# Rules that need more than one variable. Hard ones stop the plan; soft ones warn.

locals {
  # Every task of both regions may hold its whole pool on the one primary, and a rolling deployment doubles the tasks.
  possible_connections = ceil((var.scaling.max + var.scaling.max_tasks_other_region) * local.deployment_maximum_percent / 100) * var.service.pool_size

  # For RDS itself (rdsadmin, superuser_reserved_connections), monitoring, and an administrator's psql.
  reserved_connections = 15
}

resource "terraform_data" "rules" {
  lifecycle {
    precondition {
      condition     = local.possible_connections + local.reserved_connections < var.database.max_connections
      error_message = "The tasks of both regions could open ${local.possible_connections} connections (twice the maximum of tasks during a deployment, times service.pool_size), which with ${local.reserved_connections} reserved ones reaches database.max_connections = ${var.database.max_connections}. Lower scaling.max or service.pool_size, or raise database.max_connections."
    }

    precondition {
      condition     = var.database_is_origin || var.database_source_arn != null
      error_message = "A database that is not the origin needs database_source_arn, the other region's database."
    }

    precondition {
      condition     = local.secrets_here || var.home_secrets != null
      error_message = "secrets.home_region is another region, so home_secrets must say which secrets that region has."
    }
  }
}

check "one_nat_gateway" {
  assert {
    condition     = var.network.nat_gateway_per_az || !local.protected
    error_message = "One NAT gateway serves all zones in production: when its zone fails, no task can start. Set nat_gateway_per_az = true."
  }
}
