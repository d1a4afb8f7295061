data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  name      = "${var.name}-${var.environment}"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  protected = var.environment == "production"

  # What exists for two regions only hangs on this, and never on who is active.
  two         = length(var.regions) == 2
  two_regions = local.two ? toset(["this"]) : toset([])
  pair        = local.two ? var.regions : {}
  other       = { a = "b", b = "a" }

  pilot_region = local.other[var.active_region]
}
