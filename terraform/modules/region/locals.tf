data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # Every name in one place: known at plan time, so that policies and alarms can name things without waiting for them.
  name           = "${var.name}-${var.environment}"
  cluster_name   = local.name
  service_name   = local.name
  container_name = "hello-you"
  database_id    = "${local.name}-db"
  replica_id     = "${local.name}-db-replica"

  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  # Global names (roles, buckets) carry the region, since this module may stand twice in one account.
  role_prefix = "${local.name}-${var.region}"

  protected = var.environment == "production"

  service_port = 8080
  admin_port   = 9090
  postgres     = 5432

  zones       = sort(var.network.availability_zones)
  first_zone  = local.zones[0]
  second_zone = local.zones[length(local.zones) - 1]

  secrets_here = coalesce(var.secrets.home_region, var.region) == var.region
}
