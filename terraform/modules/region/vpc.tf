locals {
  # Sixteen equal ranges: a public one in the lower half and a private one in the upper half for each possible zone.
  # A zone's ranges follow from its letter, so that a new zone moves none of the others.
  zone_index = { a = 0, b = 1, c = 2, d = 3, e = 4, f = 5 }

  public_cidrs  = { for zone in local.zones : zone => cidrsubnet(var.network.cidr, 4, local.zone_index[zone]) }
  private_cidrs = { for zone in local.zones : zone => cidrsubnet(var.network.cidr, 4, 8 + local.zone_index[zone]) }

  # With one NAT gateway the other zones go out through the first one: cheaper, and gone when that zone is.
  nat_zones   = var.network.nat_gateway_per_az ? local.zones : [local.first_zone]
  nat_zone_of = { for zone in local.zones : zone => var.network.nat_gateway_per_az ? zone : local.first_zone }
}

resource "aws_vpc" "this" {
  region = var.region

  cidr_block           = var.network.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = local.name }
}

# ---------------------------------------------------------------------------------------------------------------------
# Subnets and routes
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_subnet" "public" {
  for_each = local.public_cidrs
  region   = var.region

  vpc_id            = aws_vpc.this.id
  availability_zone = "${var.region}${each.key}"
  cidr_block        = each.value

  # Who needs a public address asks for it: the bastion does, nothing else that is launched here.
  map_public_ip_on_launch = false

  tags = { Name = "${local.name}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each = local.private_cidrs
  region   = var.region

  vpc_id                  = aws_vpc.this.id
  availability_zone       = "${var.region}${each.key}"
  cidr_block              = each.value
  map_public_ip_on_launch = false

  tags = { Name = "${local.name}-private-${each.key}" }
}

resource "aws_internet_gateway" "this" {
  region = var.region

  vpc_id = aws_vpc.this.id

  tags = { Name = local.name }
}

resource "aws_eip" "nat" {
  for_each = toset(local.nat_zones)
  region   = var.region

  domain = "vpc"

  tags = { Name = "${local.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each = toset(local.nat_zones)
  region   = var.region

  allocation_id = aws_eip.nat[each.key].allocation_id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${local.name}-${each.key}" }

  # The gateway's address works only once the VPC has its way to the internet.
  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "public" {
  for_each = aws_subnet.public
  region   = var.region

  vpc_id = aws_vpc.this.id

  tags = { Name = "${local.name}-public-${each.key}" }
}

resource "aws_route" "public_internet" {
  for_each = aws_route_table.public
  region   = var.region

  route_table_id         = each.value.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public
  region   = var.region

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public[each.key].id
}

resource "aws_route_table" "private" {
  for_each = aws_subnet.private
  region   = var.region

  vpc_id = aws_vpc.this.id

  tags = { Name = "${local.name}-private-${each.key}" }
}

resource "aws_route" "private_internet" {
  for_each = aws_route_table.private
  region   = var.region

  route_table_id         = each.value.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[local.nat_zone_of[each.key]].id
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private
  region   = var.region

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}

# What is launched without a security group gets this one, which lets nothing in or out.
resource "aws_default_security_group" "this" {
  region = var.region

  vpc_id  = aws_vpc.this.id
  ingress = []
  egress  = []

  tags = { Name = "${local.name}-default-closed" }
}

# ---------------------------------------------------------------------------------------------------------------------
# Flow logs: who talked to whom; alarms.tf counts logins to the bastion in them
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_flow_log" "this" {
  region = var.region

  vpc_id                   = aws_vpc.this.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flow.arn
  iam_role_arn             = aws_iam_role.flow_log.arn
  max_aggregation_interval = 60

  tags = { Name = local.name }
}
