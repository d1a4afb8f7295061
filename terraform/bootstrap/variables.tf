variable "name" {
  description = "Name of the service; the first part of every resource's name, also of those that the workflows may touch."
  type        = string
  default     = "hello-you"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 14 && !can(regex("^(internal|sg|sthree)(-|$)", var.name))
    error_message = "name must be lower-case letters, digits and single hyphens, begin with a letter, have at most 14 characters, and not begin with internal, sg or sthree, which AWS keeps for itself."
  }
}

variable "region" {
  description = "Region of state and trail: the witness region, so that the state can be read while another one is dark."
  type        = string
  default     = "eu-north-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-north-1."
  }
}

variable "github_repository" {
  description = "Repository whose workflows may plan and apply, as OWNER/NAME."
  type        = string
  nullable    = false

  validation {
    # No wildcard: a `*` here would let every repository in.
    condition     = can(regex("^[A-Za-z0-9](-?[A-Za-z0-9])*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be OWNER/NAME."
  }
}

variable "create_oidc_provider" {
  description = "Whether to make GitHub's identity provider; an account can have it only once."
  type        = bool
  default     = true
  nullable    = false
}

variable "create_trail" {
  description = "Whether to make a CloudTrail trail; false where the account or its organisation has one that logs management events in all regions."
  type        = bool
  default     = true
  nullable    = false
}

variable "trail_retention_days" {
  description = "How long the trail's files are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.trail_retention_days >= 1 && var.trail_retention_days <= 36500 && floor(var.trail_retention_days) == var.trail_retention_days
    error_message = "trail_retention_days must be a whole number from 1 to 36500."
  }
}
