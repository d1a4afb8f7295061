# S3 by gateway endpoint: free, and what goes to S3 does not pay for the NAT gateway.
resource "aws_vpc_endpoint" "s3" {
  region = var.region

  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for table in aws_route_table.private : table.id]

  tags = { Name = "${local.name}-s3" }
}

# The others cost by the hour and zone, so each is asked for by name (`logs`, `secretsmanager`, `kms`, ...).
resource "aws_vpc_endpoint" "interface" {
  for_each = var.network.interface_endpoints
  region   = var.region

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints["this"].id]

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_security_group" "endpoints" {
  # checkov:skip=CKV2_AWS_5:the interface endpoints above carry it

  for_each = length(var.network.interface_endpoints) > 0 ? toset(["this"]) : toset([])
  region   = var.region

  name        = "${local.name}-endpoints"
  description = "Interface endpoints: HTTPS from tasks and bastion"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_tasks" {
  for_each = aws_security_group.endpoints
  region   = var.region

  security_group_id            = each.value.id
  description                  = "HTTPS from the tasks"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443

  tags = { Name = "${local.name}-endpoints-from-tasks" }
}

# An endpoint takes its service's own name over in the whole VPC, so without this rule one for Session Manager (ssm,
# ssmmessages) would cut the bastion off from it.
resource "aws_vpc_security_group_ingress_rule" "endpoints_from_bastion" {
  for_each = length(var.network.interface_endpoints) > 0 ? aws_security_group.bastion : {}
  region   = var.region

  security_group_id            = aws_security_group.endpoints["this"].id
  description                  = "HTTPS from the bastion"
  referenced_security_group_id = each.value.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443

  tags = { Name = "${local.name}-endpoints-from-bastion" }
}
