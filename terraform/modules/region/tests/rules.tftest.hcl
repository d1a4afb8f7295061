# Rules that need more than one variable (validations.tf), each broken once.

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

run "refuses_more_connections_than_the_database_takes" {
  command = plan

  variables {
    database = { max_connections = 100 }
  }

  expect_failures = [terraform_data.rules]
}

run "refuses_the_connections_of_the_other_region_too" {
  command = plan

  variables {
    scaling = { max_tasks_other_region = 20 }
  }

  expect_failures = [terraform_data.rules]
}

run "refuses_a_replica_of_nothing" {
  command = plan

  variables {
    database_is_origin = false
  }

  expect_failures = [terraform_data.rules]
}

run "warns_of_one_nat_gateway_in_production" {
  command = plan

  variables {
    environment = "production"
  }

  expect_failures = [check.one_nat_gateway]
}
