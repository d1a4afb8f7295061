# The root of one region: with a domain and without.

variables {
  image            = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  github_user      = "octo"
  github_token     = "planted-github-token"
  domain           = "hello.example.com"
  admin_cidr       = "203.0.113.7/32"
  admin_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"
}

run "the_domain_leads_to_the_service" {
  command = plan

  assert {
    condition     = output.url == "https://hello.example.com"
    error_message = "the service must answer at its domain, over HTTPS"
  }

  assert {
    condition     = keys(module.global) == ["this"]
    error_message = "zone, validation record and alias record must exist"
  }

  assert {
    condition     = output.cluster_name == "hello-you-staging" && output.dashboard_name == "hello-you-staging-eu-west-1"
    error_message = "names must follow service and environment"
  }
}

run "a_given_zone_has_no_name_servers_to_announce" {
  command = plan

  variables {
    zone_id = "Z0123456789ABC"
  }

  assert {
    condition     = output.name_servers == []
    error_message = "nothing must be entered at the registrar"
  }
}

run "without_a_domain_it_warns_of_plain_http_and_has_no_dns" {
  command = plan

  variables {
    domain = null
  }

  expect_failures = [check.https]

  assert {
    condition     = length(module.global) == 0
    error_message = "there must be no zone and no record"
  }
}

run "the_bastion_can_be_switched_off" {
  command = plan

  variables {
    bastion_enabled  = false
    admin_cidr       = null
    admin_public_key = null
  }

  assert {
    condition     = output.bastion_public_ip == null
    error_message = "no bastion, no address"
  }
}
