variable "name" {
  description = "Name of the bucket, unique among all of AWS: with account and region in it."
  type        = string
  nullable    = false

  validation {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 63 lower-case letters, digits and hyphens, and begin and end with a letter or digit."
  }
}

variable "region" {
  description = "AWS region of the bucket."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-west-1."
  }
}

variable "kms_key" {
  description = "Key that encrypts the objects. Null: S3's own (SSE-S3), for buckets that a KMS key would close to those who need them."
  # An object, so that a plan knows whether there is a key before the key is made.
  type = object({
    arn = string
  })
  default = null
}

variable "expire_days" {
  description = "Days after which objects go. Null: they stay."
  type        = number
  default     = null

  validation {
    condition     = var.expire_days == null ? true : var.expire_days >= 1 && floor(var.expire_days) == var.expire_days
    error_message = "expire_days must be a whole number of at least 1, or null."
  }
}

variable "old_version_days" {
  description = "Days after which an object's replaced or deleted versions go."
  type        = number
  nullable    = false

  validation {
    condition     = var.old_version_days >= 1 && floor(var.old_version_days) == var.old_version_days
    error_message = "old_version_days must be a whole number of at least 1."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket may destroy what is in it."
  type        = bool
  default     = false
  nullable    = false
}

variable "open_to_policy" {
  description = "Whether its policy may let anyone in. For the latches alone."
  type        = bool
  default     = false
  nullable    = false
}

variable "policies" {
  description = "Policy documents (JSON) whose statements the bucket's policy has beside the one that refuses connections without TLS."
  type        = list(string)
  default     = []
  nullable    = false
}
