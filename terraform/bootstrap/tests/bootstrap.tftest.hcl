# State, trail, and who may come in from GitHub.

provider "aws" {
  region = "eu-north-1"
}

variables {
  github_repository = "hello-you/hello-you"
}

# That the buckets are private, versioned and encrypted is in terraform/tests/plan_checks.py.
run "the_state_is_in_the_witness_region" {
  command = plan

  assert {
    condition     = output.state_region == "eu-north-1" && startswith(output.state_bucket, "hello-you-state-") && endswith(output.state_bucket, "-eu-north-1")
    error_message = "the state must be in the witness region"
  }
}

run "each_role_is_for_one_environment_of_one_repository" {
  command = plan

  assert {
    condition = {
      for environment, role in aws_iam_role.github : environment => jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]
      } == {
      plan  = "repo:hello-you/hello-you:environment:plan"
      apply = "repo:hello-you/hello-you:environment:apply"
    }
    error_message = "no other job may take on a role"
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.github : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"])
    error_message = "the token must be meant for AWS"
  }

  assert {
    condition     = aws_iam_role_policy.change.role == "hello-you-github-apply" && keys(aws_iam_role_policy.look) == ["apply", "plan"]
    error_message = "only the apply role may change anything"
  }
}

run "the_trail_sees_every_region" {
  command = plan

  assert {
    condition     = aws_cloudtrail.this["this"].is_multi_region_trail && aws_cloudtrail.this["this"].enable_log_file_validation
    error_message = "the trail must log all regions, tamper-evident"
  }
}

run "what_the_account_has_is_not_made_again" {
  command = plan

  variables {
    create_oidc_provider = false
    create_trail         = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && length(aws_cloudtrail.this) == 0 && length(module.trail) == 0
    error_message = "neither must be made"
  }
}

run "refuses_a_name_with_capitals" {
  command = plan

  variables {
    name = "Hello"
  }

  expect_failures = [var.name]
}

run "refuses_a_zone_for_a_region" {
  command = plan

  variables {
    region = "eu-north-1a"
  }

  expect_failures = [var.region]
}

run "refuses_every_repository_of_an_owner" {
  command = plan

  variables {
    github_repository = "hello-you/*"
  }

  expect_failures = [var.github_repository]
}

run "refuses_a_trail_kept_for_no_day" {
  command = plan

  variables {
    trail_retention_days = 0
  }

  expect_failures = [var.trail_retention_days]
}

run "refuses_half_a_day_of_trail" {
  command = plan

  variables {
    trail_retention_days = 0.5
  }

  expect_failures = [var.trail_retention_days]
}
