# The administrators' way in, for `psql` and for the tasks' private listener. Off: nothing of it exists.

locals {
  bastion = var.bastion.enabled ? toset(["this"]) : toset([])
}

resource "aws_security_group" "bastion" {
  for_each = local.bastion
  region   = var.region

  name        = "${local.name}-bastion"
  description = "Bastion: ssh from one address; to PostgreSQL, the tasks' private listener, and Session Manager"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.name}-bastion" }
}

resource "aws_vpc_security_group_ingress_rule" "bastion_ssh" {
  for_each = aws_security_group.bastion
  region   = var.region

  security_group_id = each.value.id
  description       = "ssh from the administrator's one address"
  cidr_ipv4         = var.bastion.admin_cidr
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22

  tags = { Name = "${local.name}-bastion-ssh" }
}

resource "aws_vpc_security_group_egress_rule" "bastion_to_database" {
  for_each = aws_security_group.bastion
  region   = var.region

  security_group_id            = each.value.id
  description                  = "PostgreSQL of this region"
  referenced_security_group_id = aws_security_group.database.id
  ip_protocol                  = "tcp"
  from_port                    = local.postgres
  to_port                      = local.postgres

  tags = { Name = "${local.name}-bastion-to-database" }
}

resource "aws_vpc_security_group_egress_rule" "bastion_to_tasks" {
  for_each = aws_security_group.bastion
  region   = var.region

  security_group_id            = each.value.id
  description                  = "The tasks' private listener"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = local.admin_port
  to_port                      = local.admin_port

  tags = { Name = "${local.name}-bastion-to-tasks" }
}

# Session Manager's agent calls AWS over HTTPS; inside the VPC nothing else is in reach.
resource "aws_vpc_security_group_egress_rule" "bastion_to_https" {
  for_each = aws_security_group.bastion
  region   = var.region

  security_group_id = each.value.id
  description       = "HTTPS: Session Manager"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  tags = { Name = "${local.name}-bastion-to-https" }
}

data "aws_ami" "bastion" {
  for_each = local.bastion
  region   = var.region

  owners      = ["amazon"]
  most_recent = true

  filter {
    name   = "name"
    values = ["al2023-ami-2023.*-kernel-*-arm64"]
  }

  filter {
    name   = "architecture"
    values = ["arm64"]
  }
}

resource "aws_key_pair" "bastion" {
  for_each = local.bastion
  region   = var.region

  key_name   = "${local.name}-bastion"
  public_key = var.bastion.public_key

  tags = { Name = "${local.name}-bastion" }
}

resource "aws_instance" "bastion" {
  # checkov:skip=CKV_AWS_88:a bastion is what is reached from outside: by ssh from one address

  for_each = local.bastion
  region   = var.region

  ami                         = data.aws_ami.bastion[each.key].id
  instance_type               = var.bastion.instance_type
  subnet_id                   = aws_subnet.public[local.first_zone].id
  vpc_security_group_ids      = [aws_security_group.bastion[each.key].id]
  associate_public_ip_address = true
  key_name                    = aws_key_pair.bastion[each.key].key_name
  iam_instance_profile        = aws_iam_instance_profile.bastion[each.key].name
  monitoring                  = true
  ebs_optimized               = true

  # IMDSv2: a request that is tricked into fetching the metadata cannot, since it has no session token.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted   = true
    kms_key_id  = aws_kms_key.this.arn
    volume_type = "gp3"
    volume_size = 8
  }

  tags = { Name = "${local.name}-bastion" }

  lifecycle {
    # A new image of the month is no reason to replace the machine; `-replace` does it on purpose.
    ignore_changes = [ami]
  }
}
