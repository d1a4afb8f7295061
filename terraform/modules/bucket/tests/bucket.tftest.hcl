# A bucket, and each rule with a value that breaks it.

provider "aws" {
  region = "eu-west-1"
}

variables {
  name             = "hello-you-staging-logs-123456789012-eu-central-1"
  region           = "eu-central-1"
  old_version_days = 7
}

run "nobody_gets_in_by_default" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "the bucket must be private"
  }

  assert {
    condition     = [for rule in aws_s3_bucket_ownership_controls.this.rule : rule.object_ownership] == ["BucketOwnerEnforced"]
    error_message = "access lists must be without effect"
  }

  assert {
    condition     = !aws_s3_bucket.this.force_destroy
    error_message = "what is in the bucket must not go with it"
  }
}

run "open_to_a_policy_is_still_closed_to_access_lists" {
  command = plan

  variables {
    open_to_policy = true
  }

  assert {
    condition     = !aws_s3_bucket_public_access_block.this.block_public_policy && !aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "the policy must be able to let anyone in"
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.ignore_public_acls
    error_message = "an access list must not"
  }
}

run "without_a_key_s3_encrypts" {
  command = plan

  assert {
    condition     = [for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm] == ["AES256"]
    error_message = "SSE-S3 must be the default"
  }
}

run "with_a_key_the_key_encrypts" {
  command = plan

  variables {
    kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }

  assert {
    condition     = [for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : "${rule.apply_server_side_encryption_by_default[0].sse_algorithm} ${rule.apply_server_side_encryption_by_default[0].kms_master_key_id} ${rule.bucket_key_enabled}"] == ["aws:kms arn:aws:kms:eu-central-1:123456789012:key/1 true"]
    error_message = "the given key must be used, with a bucket key"
  }
}

run "old_versions_go_and_objects_stay" {
  command = plan

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "what is overwritten must be restorable"
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[0].noncurrent_version_expiration[0].noncurrent_days == 7 && length(aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration) == 0
    error_message = "old versions must go after the given days, and nothing else"
  }
}

run "objects_go_on_request" {
  command = plan

  variables {
    expire_days = 90
  }

  assert {
    condition     = [for expiration in aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration : expiration.days] == [90]
    error_message = "objects must go after the given days"
  }
}

run "everything_is_in_the_region" {
  command = plan

  assert {
    condition = alltrue([
      for region in [
        aws_s3_bucket.this.region, aws_s3_bucket_public_access_block.this.region, aws_s3_bucket_ownership_controls.this.region, aws_s3_bucket_versioning.this.region,
        aws_s3_bucket_server_side_encryption_configuration.this.region, aws_s3_bucket_lifecycle_configuration.this.region, aws_s3_bucket_policy.this.region,
      ] : region == "eu-central-1"
    ])
    error_message = "a resource must be in the given region, not in the provider's"
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
    region = "eu-west-1a"
  }

  expect_failures = [var.region]
}

run "refuses_objects_kept_for_no_day" {
  command = plan

  variables {
    expire_days = 0
  }

  expect_failures = [var.expire_days]
}

run "refuses_old_versions_kept_for_half_a_day" {
  command = plan

  variables {
    old_version_days = 0.5
  }

  expect_failures = [var.old_version_days]
}
