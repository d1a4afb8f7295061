# The two VPCs see each other: tasks of one region reach the databases of the other, for the partial outage in which a
# region's tasks are gone and its database lives, and for writes from the pilot's warm task. Nothing else is let through.
#
# The databases' names resolve to their private addresses from anywhere, so DNS needs no peering option.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC.html

locals {
  # For each region and each of its zones the route there, and for each of the *other* region's zones a pair of rules.
  peering_routes = merge([
    for letter, region in local.pair : {
      for zone, table in region.private_route_table_ids : "${letter}/${zone}" => {
        region      = region.region
        route_table = table
        far_cidr    = local.pair[local.other[letter]].cidr
      }
    }
  ]...)

  peering_rules = merge([
    for letter, region in local.pair : {
      for zone, cidr in local.pair[local.other[letter]].private_cidrs : "${letter}/${zone}" => {
        region   = region.region
        tasks    = region.task_security_group_id
        database = region.database_security_group_id
        far_cidr = cidr
        far      = local.pair[local.other[letter]].region
      }
    }
  ]...)
}

resource "aws_vpc_peering_connection" "this" {
  for_each = local.two_regions
  region   = var.regions["a"].region

  vpc_id      = var.regions["a"].vpc_id
  peer_vpc_id = var.regions["b"].vpc_id
  peer_region = var.regions["b"].region
  auto_accept = false

  tags = { Name = "${local.name}-a-b" }
}

# A connection between regions is accepted in the other one.
resource "aws_vpc_peering_connection_accepter" "this" {
  for_each = aws_vpc_peering_connection.this
  region   = var.regions["b"].region

  vpc_peering_connection_id = each.value.id
  auto_accept               = true

  tags = { Name = "${local.name}-a-b" }
}

resource "aws_route" "peering" {
  for_each = local.peering_routes
  region   = each.value.region

  route_table_id            = each.value.route_table
  destination_cidr_block    = each.value.far_cidr
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.this["this"].vpc_peering_connection_id
}

# By address range: a security group of another region cannot be named in a rule.
resource "aws_vpc_security_group_ingress_rule" "database_from_far_tasks" {
  for_each = local.peering_rules
  region   = each.value.region

  security_group_id = each.value.database
  description       = "PostgreSQL from the tasks in ${each.value.far}"
  cidr_ipv4         = each.value.far_cidr
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432

  tags = { Name = "${local.name}-database-from-${each.value.far}" }
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_far_database" {
  for_each = local.peering_rules
  region   = each.value.region

  security_group_id = each.value.tasks
  description       = "PostgreSQL in ${each.value.far}"
  cidr_ipv4         = each.value.far_cidr
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432

  tags = { Name = "${local.name}-tasks-to-${each.value.far}" }
}
