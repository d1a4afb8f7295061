variable "name" {
  description = "Name of the service; the first part of every resource's name."
  type        = string
  default     = "hello-you"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 14 && !can(regex("^(internal|sg|sthree)(-|$)", var.name))
    error_message = "name must be lower-case letters, digits and single hyphens, begin with a letter, have at most 14 characters, and not begin with internal, sg or sthree, which AWS keeps for itself."
  }
}

variable "environment" {
  description = "Which copy of the system this is: dev, staging or production."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "production"], var.environment)
    error_message = "environment must be dev, staging or production."
  }
}

variable "domain" {
  description = "Name that clients use."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.domain)) && length(var.domain) <= 64
    error_message = "domain must be a lower-case DNS name such as hello.example.com, without a trailing dot, of at most 64 characters (the limit for a certificate)."
  }
}

variable "zone_id" {
  description = "Hosted zone in which the records are made. Null: a zone for the domain is made here."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null ? true : can(regex("^[A-Z0-9]{1,32}$", var.zone_id))
    error_message = "zone_id must be the id of a Route 53 hosted zone, capital letters and digits, or null."
  }
}

variable "validation_options" {
  description = "DNS records that one region's certificate asks for. The other region's certificate is for the same name and asks for the same record."
  type = list(object({
    domain_name           = string
    resource_record_name  = string
    resource_record_type  = string
    resource_record_value = string
  }))
  nullable = false
}

variable "regions" {
  description = "What each region offers, by letter: `a` alone, or `a` and `b`."
  type = map(object({
    region                     = string
    vpc_id                     = string
    cidr                       = string
    private_cidrs              = map(string)
    private_route_table_ids    = map(string)
    task_security_group_id     = string
    database_security_group_id = string
    alb_dns_name               = string
    alb_zone_id                = string
    database_id                = string
    cluster_name               = string
    service_name               = string
  }))
  nullable = false

  validation {
    condition     = contains(["a", "a b"], join(" ", keys(var.regions)))
    error_message = "regions must have the key a, or the keys a and b."
  }
}

variable "active_region" {
  description = "The region that serves: `a` or `b`. A planned switch-over changes it; a fail-over needs no Terraform."
  type        = string
  default     = "a"
  nullable    = false

  validation {
    condition     = contains(["a", "b"], var.active_region)
    error_message = "active_region must be a or b."
  }
}

variable "witness_region" {
  description = "A third region for the lease of the fail-over controller; needed with two regions."
  type        = string
  default     = null

  validation {
    condition     = var.witness_region == null ? true : can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.witness_region))
    error_message = "witness_region must be the name of an AWS region, or null."
  }
}

variable "operator_principals" {
  description = "ARNs of IAM users or roles that may take on the operator's role. Empty: whoever this account's IAM allows to, with MFA."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for principal in var.operator_principals : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(user|role)/.+$", principal))])
    error_message = "operator_principals must be ARNs of IAM users or roles."
  }
}

variable "alarm_email" {
  description = "Who is told when a health check fails or a latch is set."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null ? true : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "alarm_email must be an e-mail address, or null."
  }
}
