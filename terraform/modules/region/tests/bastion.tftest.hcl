# Bastion: everything of it, or nothing.

provider "aws" {
  region = "eu-west-1"
}

variables {
  environment  = "staging"
  region       = "eu-west-1"
  network      = { cidr = "10.10.0.0/16" }
  domain       = "hello.example.com"
  service      = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  github_user  = "octo"
  github_token = "planted-github-token"
}

run "off_means_nothing_of_it" {
  command = plan

  assert {
    condition = length(concat(
      values(aws_instance.bastion), values(aws_security_group.bastion), values(aws_key_pair.bastion), values(aws_iam_role.bastion),
      values(aws_iam_instance_profile.bastion), values(aws_cloudwatch_event_rule.bastion), values(aws_cloudwatch_log_metric_filter.bastion_ssh),
    )) == 0
    error_message = "nothing of a bastion may exist"
  }
}

run "ssh_from_one_address" {
  command = plan

  variables {
    bastion = { admin_cidr = "203.0.113.7/32", public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.bastion_ssh["this"].cidr_ipv4 == "203.0.113.7/32" && aws_vpc_security_group_ingress_rule.bastion_ssh["this"].from_port == 22 && aws_vpc_security_group_ingress_rule.bastion_ssh["this"].to_port == 22
    error_message = "ssh must be from the one address"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.bastion_to_database["this"].from_port == 5432 && aws_vpc_security_group_egress_rule.bastion_to_tasks["this"].from_port == 9090 && aws_vpc_security_group_egress_rule.bastion_to_https["this"].from_port == 443
    error_message = "the bastion must reach PostgreSQL, the private listener, and Session Manager"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.tasks_from_bastion["this"].from_port == 9090 && aws_vpc_security_group_ingress_rule.database_from_bastion["this"].from_port == 5432
    error_message = "tasks and databases must let the bastion in on these ports alone"
  }

  assert {
    condition     = aws_instance.bastion["this"].metadata_options[0].http_tokens == "required" && aws_instance.bastion["this"].root_block_device[0].encrypted
    error_message = "the bastion must have IMDSv2 and an encrypted disk"
  }

  assert {
    condition     = aws_instance.bastion["this"].associate_public_ip_address
    error_message = "the bastion must be reachable from outside"
  }

  assert {
    condition     = keys(aws_cloudwatch_event_rule.bastion) == ["groups", "rules", "session"] && aws_cloudwatch_metric_alarm.this["bastion-ssh"].threshold == 0
    error_message = "sessions, logins and changes of its group must raise an alarm"
  }
}
