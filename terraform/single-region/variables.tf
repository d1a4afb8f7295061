# ---------------------------------------------------------------------------------------------------------------------
# Which copy, and where
# ---------------------------------------------------------------------------------------------------------------------

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
  description = "Which copy of the system this is. `production` protects load balancer and databases against deletion and takes a final snapshot."
  type        = string
  default     = "staging"
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "production"], var.environment)
    error_message = "environment must be dev, staging or production."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-west-1."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Network and name
# ---------------------------------------------------------------------------------------------------------------------

variable "vpc_cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.10.0.0/16"
  nullable    = false

  validation {
    condition     = try(cidrsubnet(var.vpc_cidr, 0, 0) == var.vpc_cidr && tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 22, false) && can(regex("^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168|100\\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))\\.", var.vpc_cidr))
    error_message = "vpc_cidr must be a private IPv4 range from /16 to /22 without host bits, such as 10.10.0.0/16."
  }
}

variable "availability_zones" {
  description = "Availability zones, by the last letter of their names. Adding one never moves another."
  type        = set(string)
  default     = ["a", "b"]
  nullable    = false

  validation {
    condition     = length(var.availability_zones) >= 2 && alltrue([for zone in var.availability_zones : try(contains(["a", "b", "c", "d", "e", "f"], zone), false)])
    error_message = "availability_zones must be two or more letters from a to f."
  }
}

variable "nat_gateway_per_az" {
  description = "One NAT gateway in each zone, so that the loss of a zone leaves the others their way out; else one for all."
  type        = bool
  default     = false
  nullable    = false
}

variable "interface_endpoints" {
  description = "AWS services that the tasks reach by interface endpoint instead of through the NAT gateway, such as logs or secretsmanager."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", service)) && service != "s3"])
    error_message = "interface_endpoints must be service names such as logs or secretsmanager; S3 has its gateway endpoint already."
  }
}

variable "domain" {
  description = "Name that clients use. Null: plain HTTP at the load balancer's own name, for a trial only."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.domain)) && length(var.domain) <= 64
    error_message = "domain must be a lower-case DNS name such as hello.example.com, without a trailing dot, of at most 64 characters (the limit for a certificate)."
  }
}

variable "zone_id" {
  description = "Route 53 hosted zone for the domain. Null: one is made, and its name servers are an output."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null ? true : can(regex("^[A-Z0-9]{1,32}$", var.zone_id))
    error_message = "zone_id must be the id of a Route 53 hosted zone, capital letters and digits, or null."
  }
}

variable "waf" {
  description = "AWS WAF in front of the load balancer: a limit per client address and AWS's common rules."
  type        = bool
  default     = false
  nullable    = false
}

# ---------------------------------------------------------------------------------------------------------------------
# Service
# ---------------------------------------------------------------------------------------------------------------------

variable "image" {
  description = "Container image in GitHub's registry, by digest: ghcr.io/OWNER/NAME@sha256:..."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^ghcr\\.io/[a-z0-9]+([._/-][a-z0-9]+)*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be an image in GitHub's container registry by digest: ghcr.io/OWNER/NAME@sha256:..., so that what was tested is what runs."
  }
}

variable "github_user" {
  description = "User of GitHub's container registry."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9](-?[A-Za-z0-9])*$", var.github_user)) && length(var.github_user) <= 39
    error_message = "github_user must be a GitHub user name."
  }
}

variable "github_token" {
  description = "Token that may read packages (read:packages). Ephemeral: in neither state nor plan; give it as TF_VAR_github_token."
  type        = string
  nullable    = false
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = can(regex("^[!-~]{8,}$", var.github_token))
    error_message = "github_token must be a token of at least 8 characters, without spaces or line breaks."
  }
}

variable "task_size" {
  description = "CPU units and memory (MiB) of a task: a pair that Fargate offers."
  type = object({
    cpu    = number
    memory = number
  })
  default  = { cpu = 256, memory = 512 }
  nullable = false

  validation {
    # Least and most of what modules/region accepts; the exact pairs are checked there.
    condition     = try(var.task_size.cpu >= 256 && var.task_size.cpu <= 4096 && var.task_size.memory >= 2 * var.task_size.cpu && var.task_size.memory <= 8 * var.task_size.cpu, false)
    error_message = "task_size must be a pair that Fargate offers, such as 256 and 512."
  }
}

variable "architecture" {
  description = "Processor of the tasks: X86_64 or ARM64. The image must have it."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture must be X86_64 or ARM64."
  }
}

variable "tasks" {
  description = "Least and most tasks."
  type = object({
    min = number
    max = number
  })
  default  = { min = 2, max = 6 }
  nullable = false

  validation {
    condition     = try(var.tasks.min >= 1 && var.tasks.max >= var.tasks.min && alltrue([for number in values(var.tasks) : floor(number) == number]), false)
    error_message = "tasks must be whole numbers with 1 <= min <= max."
  }
}

variable "pool_size" {
  description = "Database connections that a task may hold, over all hosts."
  type        = number
  default     = 8
  nullable    = false

  validation {
    condition     = var.pool_size >= 4 && var.pool_size <= 1000 && floor(var.pool_size) == var.pool_size
    error_message = "pool_size must be a whole number from 4 to 1000."
  }
}

variable "leap_day" {
  description = "Birthday of somebody born on 29 February in other years: feb28 or mar01."
  type        = string
  default     = "feb28"
  nullable    = false

  validation {
    condition     = contains(["feb28", "mar01"], var.leap_day)
    error_message = "leap_day must be feb28 or mar01."
  }
}

variable "min_timeline" {
  description = "Lowest PostgreSQL timeline that the service accepts; raised after a promotion, so that a fresh task cannot take the old primary for the current one. Null: no floor."
  type        = number
  default     = null

  validation {
    condition     = var.min_timeline == null ? true : var.min_timeline >= 1 && var.min_timeline <= 4294967295 && floor(var.min_timeline) == var.min_timeline
    error_message = "min_timeline must be a whole number from 1 to 4294967295, or null."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Database
# ---------------------------------------------------------------------------------------------------------------------

variable "database_user" {
  description = "Name of the database's owner."
  type        = string
  default     = "hello_admin"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database_user)) && !contains(["rdsadmin", "admin", "postgres", "public", "user"], var.database_user) && !startswith(var.database_user, "pg_")
    error_message = "database_user must begin with a letter, have lower-case letters, digits and underscores, at most 63, and not be reserved (rdsadmin, admin, postgres, public, user, pg_...)."
  }
}

variable "postgres_version" {
  description = "PostgreSQL version, major or exact."
  type        = string
  default     = "17"
  nullable    = false

  validation {
    condition     = can(regex("^1[5-9](\\.[0-9]+)?$", var.postgres_version))
    error_message = "postgres_version must be a PostgreSQL version from 15 on, such as 17 or 17.5."
  }
}

variable "database_instance_class" {
  description = "RDS instance class, the same for every instance: a smaller replica stops replaying."
  type        = string
  default     = "db.t4g.medium"
  nullable    = false

  validation {
    condition     = can(regex("^db\\.[a-z0-9-]+\\.[a-z0-9]+$", var.database_instance_class))
    error_message = "database_instance_class must be an RDS instance class such as db.t4g.medium."
  }
}

variable "database_storage_gib" {
  description = "Storage at the beginning, and up to which RDS may grow it, in GiB."
  type = object({
    initial = number
    max     = number
  })
  default  = { initial = 20, max = 100 }
  nullable = false

  validation {
    # RDS wants the limit of storage autoscaling to be a tenth above the storage at least.
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
    condition     = try(var.database_storage_gib.initial >= 20 && var.database_storage_gib.max >= 1.1 * var.database_storage_gib.initial && var.database_storage_gib.max <= 65536 && alltrue([for gib in values(var.database_storage_gib) : floor(gib) == gib]), false)
    error_message = "database_storage_gib must be whole GiB: initial at least 20, the least for gp3, and max at least a tenth more, at most 65536."
  }
}

variable "max_connections" {
  description = "PostgreSQL's max_connections. Must exceed what all tasks of the region can open; a rule checks it."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.max_connections >= 25 && var.max_connections <= 5000 && floor(var.max_connections) == var.max_connections
    error_message = "max_connections must be a whole number from 25 to 5000."
  }
}

variable "read_replica" {
  description = "A read replica in another availability zone."
  type        = bool
  default     = true
  nullable    = false
}

variable "multi_az" {
  description = "A synchronous standby of each region's database in another zone (RDS Multi-AZ)."
  type        = bool
  default     = false
  nullable    = false
}

variable "database_ca_pem" {
  description = "Certificate authority of the databases as PEM text. Null: RDS's bundle, which is in the image."
  type        = string
  default     = null

  validation {
    # A task definition has 64 KiB at most, and this stands in it.
    condition     = var.database_ca_pem == null ? true : can(regex("^-----BEGIN CERTIFICATE-----\n(?s:.*)\n-----END CERTIFICATE-----\n?$", var.database_ca_pem)) && length(var.database_ca_pem) <= 32768
    error_message = "database_ca_pem must be certificates as PEM text, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, at most 32 KiB, or null."
  }
}

variable "secret_versions" {
  description = "Raise a number to rotate that secret."
  type = object({
    registry      = optional(number, 1)
    database      = optional(number, 1)
    application   = optional(number, 1)
    administrator = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for version in values(var.secret_versions) : version >= 1 && version <= 1000000 && floor(version) == version])
    error_message = "secret_versions must be whole numbers from 1 to 1000000."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Administrators
# ---------------------------------------------------------------------------------------------------------------------

variable "bastion_enabled" {
  description = "Whether the bastion exists."
  type        = bool
  default     = true
  nullable    = false
}

variable "admin_cidr" {
  description = "The one IPv4 address that may reach the bastion by ssh, as A.B.C.D/32."
  type        = string
  default     = null

  validation {
    condition     = !var.bastion_enabled || var.admin_cidr != null
    error_message = "admin_cidr must be given while bastion_enabled is true."
  }

  validation {
    # cidrhost refuses what is no address and writes one without leading zeros, hence the comparison.
    condition     = var.admin_cidr == null ? true : can(regex("^[0-9.]+/32$", var.admin_cidr)) && try(cidrhost(var.admin_cidr, 0) == trimsuffix(var.admin_cidr, "/32"), false) && !can(regex("^(0|127|22[4-9]|2[3-5][0-9])\\.", var.admin_cidr))
    error_message = "admin_cidr must be exactly one IPv4 address that somebody can have, written as A.B.C.D/32: no wider range, no host bits, no IPv6, no 0.0.0.0."
  }
}

variable "admin_public_key" {
  description = "OpenSSH public key of the administrator."
  type        = string
  default     = null

  validation {
    condition     = !var.bastion_enabled || can(regex("^(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/=]+( [^\\n]*)?\\n?$", var.admin_public_key))
    error_message = "admin_public_key must be one OpenSSH public key, ssh-ed25519 or ssh-rsa (EC2 takes no other), while bastion_enabled is true."
  }
}

variable "alarm_email" {
  description = "Who is told by alarms; must confirm the subscription once. Null: nobody."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null ? true : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "alarm_email must be an e-mail address, or null."
  }
}

variable "log_retention_days" {
  description = "How long the log groups keep their events."
  type        = number
  default     = 30
  nullable    = false

  validation {
    # The values that CloudWatch Logs accepts, without 0 (for ever).
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a value that CloudWatch Logs accepts, such as 30, 90 or 365."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Fine tuning. What is left out has the default of modules/region, whose rules say what is possible.
# ---------------------------------------------------------------------------------------------------------------------

variable "service" {
  description = "Part of spot capacity above the on-demand base (0: none), and how long a task takes to go: seconds in which it still accepts connections, and until it has ended."
  type = object({
    spot_weight    = optional(number)
    drain_delay    = optional(number)
    shutdown_grace = optional(number)
  })
  default  = {}
  nullable = false
}

variable "load_balancer" {
  description = "Who may connect; how tasks are checked and let go, how long access logs are kept, and the firewall's limit of requests per address in five minutes."
  type = object({
    ingress_cidrs           = optional(set(string))
    minimum_healthy_targets = optional(number)
    deregistration_delay    = optional(number)
    health_check = optional(object({
      interval            = optional(number)
      timeout             = optional(number)
      healthy_threshold   = optional(number)
      unhealthy_threshold = optional(number)
    }))
    log_retention_days = optional(number)
    waf_rate_limit     = optional(number)
  })
  default  = {}
  nullable = false
}

variable "scaling" {
  description = "Targets of auto scaling (per cent of CPU and memory, requests of a task in a minute), and the seconds between two steps out and in."
  type = object({
    cpu_percent         = optional(number)
    memory_percent      = optional(number)
    requests_per_target = optional(number)
    out_cooldown        = optional(number)
    in_cooldown         = optional(number)
  })
  default  = {}
  nullable = false
}

variable "database" {
  description = "Days that backups are kept, and the milliseconds from which a statement counts as slow."
  type = object({
    backup_retention_days = optional(number)
    slow_query_ms         = optional(number)
  })
  default  = {}
  nullable = false
}

variable "alarms" {
  description = "Thresholds of the alarms."
  type = object({
    database_cpu_percent     = optional(number)
    database_free_gib        = optional(number)
    database_connections_pct = optional(number)
    replica_lag_seconds      = optional(number)
    slow_queries             = optional(number)
    service_cpu_percent      = optional(number)
    service_memory_percent   = optional(number)
    errors_5xx               = optional(number)
    p99_seconds              = optional(number)
  })
  default  = {}
  nullable = false
}
