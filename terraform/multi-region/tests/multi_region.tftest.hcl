# The root of two regions. What the plan as a whole must hold is in terraform/tests (plan_checks.py, failover_checks.py).

variables {
  image            = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  github_user      = "octo"
  github_token     = "planted-github-token"
  domain           = "hello.example.com"
  admin_cidr       = "203.0.113.7/32"
  admin_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"
}

run "two_regions_one_name" {
  command = plan

  assert {
    condition     = output.url == "https://hello.example.com"
    error_message = "clients must use one name, whoever serves"
  }

  assert {
    condition     = module.region_a.for_global.cidr == "10.10.0.0/16" && module.region_b.for_global.cidr == "10.20.0.0/16"
    error_message = "each region must have its own range"
  }

  assert {
    condition     = output.regions.a.region == "eu-west-1" && output.regions.b.region == "eu-central-1"
    error_message = "each module must be in its region"
  }

  assert {
    condition     = length(output.regions.a.database_hosts) == 2 && length(output.regions.b.database_hosts) == 1
    error_message = "the pilot must be kept small: no reader of its own by default"
  }
}

run "either_region_can_be_active" {
  command = plan

  variables {
    active_region = "b"
  }

  assert {
    condition     = output.regions.a.cluster_name == output.regions.b.cluster_name && output.regions.a.database_id == output.regions.b.database_id
    error_message = "no name may depend on who is active"
  }
}

run "either_region_can_be_the_origin" {
  command = plan

  variables {
    database_origin = "b"
  }

  assert {
    condition     = output.regions.a.database_id == "hello-you-staging-db"
    error_message = "A must be a replica of B under its own name"
  }
}

run "other_regions_and_ranges" {
  command = plan

  variables {
    region_a       = "us-east-1"
    region_b       = "us-west-2"
    witness_region = "ca-central-1"
    vpc_cidr_a     = "10.1.0.0/20"
    vpc_cidr_b     = "10.1.16.0/20"
  }

  assert {
    condition     = output.regions.a.region == "us-east-1" && output.regions.b.region == "us-west-2"
    error_message = "any two regions must do, and neighbouring ranges do not overlap"
  }
}
