# Once per account, by a person with administrator's rights, before anything else: where the state lives, how GitHub's
# workflows come in, and the trail that the bastion's alarms hang on. Its own state stays with that person (or is moved
# into the bucket that it makes; terraform/README.md shows how).

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project   = var.name
      ManagedBy = "terraform/bootstrap"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  trail_bucket = "${var.name}-trail-${local.account}-${var.region}"
  trail_name   = "${var.name}-management"
  trail_arn    = "arn:${local.partition}:cloudtrail:${var.region}:${local.account}:trail/${local.trail_name}"
}
