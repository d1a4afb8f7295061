# Secrets: which there are, and where. That no value reaches plan or state is in terraform/tests.

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

run "the_secrets_names_can_be_made_again_after_deletion" {
  command = plan

  assert {
    condition     = { for name, secret in aws_secretsmanager_secret.this : name => secret.name_prefix } == { registry = "hello-you-staging-registry-", database = "hello-you-staging-database-", application = "hello-you-staging-application-", administrator = "hello-you-staging-administrator-" }
    error_message = "the secrets must be these four, by prefix"
  }
}

run "the_secrets_are_replicated_with_the_other_regions_key" {
  command = plan

  variables {
    secret_replica = { region = "eu-central-1", kms_key_id = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : [for replica in secret.replica : "${replica.region} ${replica.kms_key_id}"] == ["eu-central-1 arn:aws:kms:eu-central-1:123456789012:key/1"]])
    error_message = "each secret must be in the other region, with that region's key"
  }
}

run "only_the_origin_reads_the_password_back" {
  command = plan

  assert {
    condition     = keys(aws_secretsmanager_secret_version.database) == ["this"] && aws_secretsmanager_secret_version.database["this"].secret_string_wo_version == 1
    error_message = "the password must be written to the store, write-only"
  }
}

run "raising_a_version_replaces_that_secret_alone" {
  command = plan

  variables {
    secrets = { versions = { database = 3 } }
  }

  assert {
    condition = {
      registry      = aws_secretsmanager_secret_version.registry["this"].secret_string_wo_version
      database      = aws_secretsmanager_secret_version.database["this"].secret_string_wo_version
      application   = aws_secretsmanager_secret_version.application["this"].secret_string_wo_version
      administrator = aws_secretsmanager_secret_version.administrator["this"].secret_string_wo_version
    } == { registry = 1, database = 3, application = 1, administrator = 1 }
    error_message = "each secret must have its own version"
  }

  assert {
    condition     = aws_db_instance.primary.password_wo_version == 3
    error_message = "the database must take the new password"
  }
}
