terraform {
  # 1.11: write-only arguments, which keep the secrets out of state and plan.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.x: every regional resource takes `region`, so one provider serves both regions.
      version = ">= 6.25, < 7.0"
    }
  }
}
