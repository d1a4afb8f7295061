locals {
  rules = [
    { description = "http", port = 80, cidr = "0.0.0.0/0" },
    { description = "https", port = 443, cidr = "0.0.0.0/0" },
  ]
  admins = ["192.0.2.10/32", "198.51.100.7/32"]
}
resource "aws_security_group" "dynamic" {
  name_prefix = "dynamic-"
  vpc_id      = "vpc-0123456789abcdef0"
  dynamic "ingress" {
    for_each = local.rules
    iterator = rule
    content {
      description      = rule.value.description
      from_port        = rule.value.port
      to_port          = rule.value.port
      protocol         = "tcp"
      cidr_blocks      = [rule.value.cidr]
      ipv6_cidr_blocks = []
      self             = false
    }
  }
}
resource "aws_security_group" "bastion" {
  name   = "bastion"
  vpc_id = "vpc-0123456789abcdef0"
}
resource "aws_security_group_rule" "ssh" {
  for_each          = toset(local.admins)
  type              = "ingress"
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = [each.value]
  security_group_id = aws_security_group.bastion.id
  description       = "SSH from ${each.value}"
}
resource "aws_vpc_security_group_egress_rule" "all" {
  for_each          = { dynamic = aws_security_group.dynamic.id, bastion = aws_security_group.bastion.id }
  security_group_id = each.value
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
data "aws_ami" "linux" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-*-x86_64"]
  }
}
resource "aws_key_pair" "admin" {
  key_name   = "admin"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE admin"
}
resource "aws_instance" "bastion" {
  ami                         = data.aws_ami.linux.id
  instance_type               = "t3.micro"
  key_name                    = aws_key_pair.admin.key_name
  vpc_security_group_ids      = [aws_security_group.bastion.id]
  subnet_id                   = "subnet-0123456789abcdef0"
  associate_public_ip_address = true
  user_data                   = <<-EOT
    #!/bin/sh
    dnf install -y postgresql15
  EOT
  metadata_options {
    http_tokens = "required"
  }
  root_block_device {
    volume_size = 8
    encrypted   = true
  }

  ebs_block_device {
    device_name = "/dev/sdf"
    volume_size = 10
  }

  ebs_block_device {
    device_name = "/dev/sdg"
    volume_type = "gp3"
    volume_size = 20
  }
}
output "address" {
  value = aws_instance.bastion.public_ip
}
