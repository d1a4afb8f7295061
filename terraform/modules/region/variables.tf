# One object per concern; what is optional has the value that suits a small production service.
# Rules that need more than one variable are in validations.tf.

# ---------------------------------------------------------------------------------------------------------------------
# Which region this is
# ---------------------------------------------------------------------------------------------------------------------

variable "name" {
  description = "Name of the service; the first part of every resource's name."
  type        = string
  default     = "hello-you"
  nullable    = false

  validation {
    # 14 + 10 (environment) leave room in the shortest limits: 32 for a load balancer, 63 for a bucket with account and region.
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 14 && !can(regex("^(internal|sg|sthree)(-|$)", var.name))
    error_message = "name must be lower-case letters, digits and single hyphens, begin with a letter, have at most 14 characters, and not begin with internal, sg or sthree, which AWS keeps for itself."
  }
}

variable "environment" {
  description = "Which copy of the system this is. `production` protects load balancer and databases against deletion and takes a final snapshot."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "production"], var.environment)
    error_message = "environment must be dev, staging or production."
  }
}

variable "region" {
  description = "AWS region in which every regional resource of this module is made."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-west-1."
  }
}

variable "role" {
  description = "Who serves now: `active`, or `pilot`, which keeps one warm task. Changes the lower scaling limit and nothing else."
  type        = string
  default     = "active"
  nullable    = false

  validation {
    condition     = contains(["active", "pilot"], var.role)
    error_message = "role must be active or pilot."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Network
# ---------------------------------------------------------------------------------------------------------------------

variable "network" {
  description = "Address range, availability zones by letter (adding one never moves another), NAT gateways and optional interface endpoints."
  type = object({
    cidr                = string
    availability_zones  = optional(set(string), ["a", "b"])
    nat_gateway_per_az  = optional(bool, false)
    interface_endpoints = optional(set(string), [])
  })
  nullable = false

  validation {
    # /16 is the largest VPC; sixteen subnets out of a /22 are /26, which leaves a load balancer room to scale. Private:
    # RFC 1918, or 100.64.0.0/10; with a public range that part of the internet would be out of reach.
    condition     = try(cidrsubnet(var.network.cidr, 0, 0) == var.network.cidr && tonumber(split("/", var.network.cidr)[1]) >= 16 && tonumber(split("/", var.network.cidr)[1]) <= 22, false) && can(regex("^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168|100\\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))\\.", var.network.cidr))
    error_message = "network.cidr must be a private IPv4 range from /16 to /22 without host bits, such as 10.10.0.0/16."
  }

  validation {
    # A load balancer and a DB subnet group each need two.
    condition     = length(var.network.availability_zones) >= 2 && alltrue([for zone in var.network.availability_zones : try(contains(["a", "b", "c", "d", "e", "f"], zone), false)])
    error_message = "network.availability_zones must be two or more letters from a to f, the last letter of each zone's name."
  }

  validation {
    condition     = alltrue([for service in var.network.interface_endpoints : can(regex("^[a-z0-9.-]+$", service)) && service != "s3"])
    error_message = "network.interface_endpoints must be service names such as logs or secretsmanager; S3 has its gateway endpoint already."
  }
}

variable "load_balancer" {
  description = "Who may connect, how the tasks are checked and let go, and the optional web application firewall with its limit of requests per address in five minutes. With two regions `ingress_cidrs` must let Route 53's checkers in."
  type = object({
    ingress_cidrs           = optional(set(string), ["0.0.0.0/0"])
    minimum_healthy_targets = optional(number, 1)
    deregistration_delay    = optional(number, 30)
    health_check = optional(object({
      interval            = optional(number, 10)
      timeout             = optional(number, 5)
      healthy_threshold   = optional(number, 2)
      unhealthy_threshold = optional(number, 3)
    }), {})
    log_retention_days = optional(number, 90)
    waf                = optional(bool, false)
    waf_rate_limit     = optional(number, 2000)
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(var.load_balancer.ingress_cidrs) > 0 && alltrue([for cidr in var.load_balancer.ingress_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "load_balancer.ingress_cidrs must be one or more IPv4 ranges without host bits."
  }

  validation {
    condition     = var.load_balancer.minimum_healthy_targets >= 1 && floor(var.load_balancer.minimum_healthy_targets) == var.load_balancer.minimum_healthy_targets
    error_message = "load_balancer.minimum_healthy_targets must be a whole number of at least 1."
  }

  validation {
    condition     = var.load_balancer.deregistration_delay >= 5 && var.load_balancer.deregistration_delay <= 120 && floor(var.load_balancer.deregistration_delay) == var.load_balancer.deregistration_delay
    error_message = "load_balancer.deregistration_delay must be whole seconds from 5 to 120: long enough for a request, short enough for a deployment."
  }

  validation {
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    condition     = var.load_balancer.health_check.interval >= 5 && var.load_balancer.health_check.interval <= 300 && var.load_balancer.health_check.timeout >= 2 && var.load_balancer.health_check.timeout < var.load_balancer.health_check.interval && alltrue([for seconds in [var.load_balancer.health_check.interval, var.load_balancer.health_check.timeout] : floor(seconds) == seconds])
    error_message = "load_balancer.health_check.interval must be whole seconds from 5 to 300, and timeout whole seconds from 2 on, shorter than the interval."
  }

  validation {
    condition     = alltrue([for checks in [var.load_balancer.health_check.healthy_threshold, var.load_balancer.health_check.unhealthy_threshold] : checks >= 2 && checks <= 10 && floor(checks) == checks])
    error_message = "load_balancer.health_check.healthy_threshold and unhealthy_threshold must be whole numbers from 2 to 10."
  }

  validation {
    condition     = var.load_balancer.log_retention_days >= 1 && floor(var.load_balancer.log_retention_days) == var.load_balancer.log_retention_days
    error_message = "load_balancer.log_retention_days must be a whole number of at least 1."
  }

  validation {
    # Limits of AWS WAF's rate-based rule.
    condition     = var.load_balancer.waf_rate_limit >= 10 && var.load_balancer.waf_rate_limit <= 2000000000 && floor(var.load_balancer.waf_rate_limit) == var.load_balancer.waf_rate_limit
    error_message = "load_balancer.waf_rate_limit must be a whole number from 10 to 2000000000, requests in five minutes."
  }
}

variable "domain" {
  description = "Name that clients use; its certificate is asked for here. Null: plain HTTP, for a trial only."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.domain)) && length(var.domain) <= 64
    error_message = "domain must be a lower-case DNS name such as hello.example.com, without a trailing dot, of at most 64 characters (the limit for a certificate)."
  }
}

variable "certificate_validation_fqdns" {
  description = "Names of the DNS records that prove the domain is ours; modules/global makes them once for all regions."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for fqdn in var.certificate_validation_fqdns : try(length(fqdn) > 0, false)])
    error_message = "certificate_validation_fqdns must not contain an empty name."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Service
# ---------------------------------------------------------------------------------------------------------------------

variable "service" {
  description = "Container image by digest, size of a task, and the settings of the program that runs in it."
  type = object({
    image          = string
    cpu            = optional(number, 256)
    memory         = optional(number, 512)
    architecture   = optional(string, "X86_64")
    spot_weight    = optional(number, 0)
    pool_size      = optional(number, 8)
    drain_delay    = optional(number, 5)
    shutdown_grace = optional(number, 20)
    leap_day       = optional(string, "feb28")
    min_timeline   = optional(number)
  })
  nullable = false

  validation {
    condition     = can(regex("^ghcr\\.io/[a-z0-9]+([._/-][a-z0-9]+)*@sha256:[0-9a-f]{64}$", var.service.image))
    error_message = "service.image must be an image in GitHub's container registry by digest: ghcr.io/OWNER/NAME@sha256:..., so that what was tested is what runs."
  }

  validation {
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
    condition = try(contains({
      256  = [512, 1024, 2048]
      512  = range(1024, 4097, 1024)
      1024 = range(2048, 8193, 1024)
      2048 = range(4096, 16385, 1024)
      4096 = range(8192, 30721, 1024)
    }[var.service.cpu], var.service.memory), false)
    error_message = "service.cpu and service.memory must be a pair that Fargate offers, such as 256 and 512."
  }

  validation {
    condition     = contains(["X86_64", "ARM64"], var.service.architecture)
    error_message = "service.architecture must be X86_64 or ARM64."
  }

  validation {
    condition     = var.service.spot_weight >= 0 && var.service.spot_weight <= 1000 && floor(var.service.spot_weight) == var.service.spot_weight
    error_message = "service.spot_weight must be a whole number from 0 (no spot capacity) to 1000."
  }

  validation {
    # Limits of the program's DB_POOL_SIZE.
    condition     = var.service.pool_size >= 4 && var.service.pool_size <= 1000 && floor(var.service.pool_size) == var.service.pool_size
    error_message = "service.pool_size must be a whole number from 4 to 1000."
  }

  validation {
    # The grace includes the delay. Fargate kills a container at most 120 s after SIGTERM; 5 s of it stay as margin.
    condition     = var.service.drain_delay >= 0 && var.service.shutdown_grace > var.service.drain_delay && var.service.shutdown_grace <= 115 && floor(var.service.drain_delay) == var.service.drain_delay && floor(var.service.shutdown_grace) == var.service.shutdown_grace
    error_message = "service.shutdown_grace and service.drain_delay must be whole seconds, the grace longer than service.drain_delay, which is part of it, and at most 115 seconds, since Fargate kills a task after 120."
  }

  validation {
    condition     = contains(["feb28", "mar01"], var.service.leap_day)
    error_message = "service.leap_day must be feb28 or mar01."
  }

  validation {
    condition     = var.service.min_timeline == null ? true : var.service.min_timeline >= 1 && var.service.min_timeline <= 4294967295 && floor(var.service.min_timeline) == var.service.min_timeline
    error_message = "service.min_timeline must be a whole number from 1 to 4294967295, or null."
  }
}

variable "scaling" {
  description = "Limits and targets of the service's auto scaling. The pilot keeps `pilot_min` tasks warm and can grow to the same `max`."
  type = object({
    active_min             = optional(number, 2)
    pilot_min              = optional(number, 1)
    max                    = optional(number, 6)
    on_demand_base         = optional(number, 2)
    cpu_percent            = optional(number, 60)
    memory_percent         = optional(number, 70)
    requests_per_target    = optional(number, 1000)
    out_cooldown           = optional(number, 30)
    in_cooldown            = optional(number, 300)
    max_tasks_other_region = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.scaling.pilot_min >= 1
    error_message = "scaling.pilot_min must be at least 1: a region without a warm task is not a pilot light."
  }

  validation {
    condition     = var.scaling.active_min >= var.scaling.pilot_min && var.scaling.max >= var.scaling.active_min && alltrue([for tasks in [var.scaling.pilot_min, var.scaling.active_min, var.scaling.max] : floor(tasks) == tasks])
    error_message = "scaling must have whole numbers with pilot_min <= active_min <= max."
  }

  validation {
    # The limit of a capacity provider's base.
    condition     = var.scaling.on_demand_base >= 0 && var.scaling.on_demand_base <= 100000 && floor(var.scaling.on_demand_base) == var.scaling.on_demand_base
    error_message = "scaling.on_demand_base must be a whole number from 0 to 100000."
  }

  validation {
    condition     = alltrue([for percent in [var.scaling.cpu_percent, var.scaling.memory_percent] : percent >= 10 && percent <= 90])
    error_message = "scaling.cpu_percent and scaling.memory_percent must be between 10 and 90."
  }

  validation {
    condition     = var.scaling.requests_per_target >= 1
    error_message = "scaling.requests_per_target must be at least 1 request a minute."
  }

  validation {
    condition     = alltrue([for seconds in [var.scaling.out_cooldown, var.scaling.in_cooldown] : seconds >= 0 && seconds <= 3600 && floor(seconds) == seconds])
    error_message = "scaling.out_cooldown and scaling.in_cooldown must be whole seconds from 0 to 3600."
  }

  validation {
    condition     = var.scaling.max_tasks_other_region >= 0 && floor(var.scaling.max_tasks_other_region) == var.scaling.max_tasks_other_region
    error_message = "scaling.max_tasks_other_region must be a whole number and not negative."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Database
# ---------------------------------------------------------------------------------------------------------------------

variable "database" {
  description = "PostgreSQL on RDS: version, size (the same for every instance), replica, backups, and what the service needs to connect."
  type = object({
    name                  = optional(string, "hello")
    user                  = optional(string, "hello_admin")
    postgres_version      = optional(string, "17")
    instance_class        = optional(string, "db.t4g.medium")
    allocated_storage     = optional(number, 20)
    max_allocated_storage = optional(number, 100)
    max_connections       = optional(number, 300)
    read_replica          = optional(bool, true)
    multi_az              = optional(bool, false)
    backup_retention_days = optional(number, 7)
    backup_hour           = optional(number, 2)
    slow_query_ms         = optional(number, 500)
    ca_identifier         = optional(string, "rds-ca-rsa2048-g1")
    ca_pem                = optional(string)
    insights              = optional(bool, true)
    monitoring_interval   = optional(number, 60)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database.name)) && can(regex("^[a-z][a-z0-9_]{0,62}$", var.database.user))
    error_message = "database.name and database.user must begin with a letter and have lower-case letters, digits and underscores, at most 63."
  }

  validation {
    # Names that PostgreSQL or RDS keep for themselves.
    condition     = !contains(["rdsadmin", "admin", "postgres", "public", "user"], var.database.user) && !startswith(var.database.user, "pg_")
    error_message = "database.user must not be a reserved name (rdsadmin, admin, postgres, public, user, pg_...)."
  }

  validation {
    condition     = can(regex("^1[5-9](\\.[0-9]+)?$", var.database.postgres_version))
    error_message = "database.postgres_version must be a PostgreSQL version from 15 on, such as 17 or 17.5."
  }

  validation {
    condition     = can(regex("^db\\.[a-z0-9-]+\\.[a-z0-9]+$", var.database.instance_class))
    error_message = "database.instance_class must be an RDS instance class such as db.t4g.medium."
  }

  validation {
    # RDS wants the limit of storage autoscaling to be a tenth above the storage at least.
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
    condition     = var.database.allocated_storage >= 20 && var.database.max_allocated_storage >= 1.1 * var.database.allocated_storage && var.database.max_allocated_storage <= 65536 && alltrue([for gib in [var.database.allocated_storage, var.database.max_allocated_storage] : floor(gib) == gib])
    error_message = "database.allocated_storage must be at least 20 GiB, the least for gp3, and max_allocated_storage at least a tenth more, at most 65536; both whole numbers."
  }

  validation {
    # Lower bound: RDS keeps connections for itself and for monitoring.
    condition     = var.database.max_connections >= 25 && var.database.max_connections <= 5000 && floor(var.database.max_connections) == var.database.max_connections
    error_message = "database.max_connections must be a whole number from 25 to 5000."
  }

  validation {
    # A replica's source needs automatic backups, and a promotion is safest with one taken.
    condition     = var.database.backup_retention_days >= 1 && var.database.backup_retention_days <= 35 && floor(var.database.backup_retention_days) == var.database.backup_retention_days
    error_message = "database.backup_retention_days must be a whole number from 1 to 35: without backups there can be no replica."
  }

  validation {
    condition     = var.database.backup_hour >= 0 && var.database.backup_hour <= 21 && floor(var.database.backup_hour) == var.database.backup_hour
    error_message = "database.backup_hour must be a whole hour (UTC) from 0 to 21; the replica's backup and the maintenance follow in the next two hours."
  }

  validation {
    condition     = var.database.slow_query_ms >= 1 && var.database.slow_query_ms <= 2147483647 && floor(var.database.slow_query_ms) == var.database.slow_query_ms
    error_message = "database.slow_query_ms must be a whole number from 1 to 2147483647: 0 would log every statement, and the data in it."
  }

  validation {
    condition     = can(regex("^rds-ca-[a-z0-9-]+$", var.database.ca_identifier))
    error_message = "database.ca_identifier must be an RDS certificate authority such as rds-ca-rsa2048-g1."
  }

  validation {
    # A task definition has 64 KiB at most, and this stands in it.
    condition     = var.database.ca_pem == null ? true : can(regex("^-----BEGIN CERTIFICATE-----\n(?s:.*)\n-----END CERTIFICATE-----\n?$", var.database.ca_pem)) && length(var.database.ca_pem) <= 32768
    error_message = "database.ca_pem must be certificates as PEM text, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, at most 32 KiB, or null for the bundle in the image."
  }

  validation {
    condition     = contains([0, 1, 5, 10, 15, 30, 60], var.database.monitoring_interval)
    error_message = "database.monitoring_interval must be 0 (off), 1, 5, 10, 15, 30 or 60 seconds."
  }
}

variable "database_is_origin" {
  description = "How this region's database was born: true, made empty; false, a replica of `database_source_arn`. Who serves now is `role`."
  type        = bool
  default     = true
  nullable    = false
}

variable "database_source_arn" {
  description = "ARN of the other region's database, from which this one replicates when it is not the origin."
  type        = string
  default     = null

  validation {
    condition     = var.database_source_arn == null ? true : can(regex("^arn:[a-z-]+:rds:[a-z0-9-]+:[0-9]{12}:db:[a-z0-9-]+$", var.database_source_arn))
    error_message = "database_source_arn must be the ARN of an RDS instance."
  }
}

variable "far_database_hosts" {
  description = "Database hosts of the other region, in the order in which the service should try them (DB_FAR_HOSTS)."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for host in var.far_database_hosts : try(!strcontains(host, ",") && host != "", false)])
    error_message = "far_database_hosts must be host names without a comma."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Secrets
# ---------------------------------------------------------------------------------------------------------------------

variable "secrets" {
  description = "Versions (raise one to rotate that secret) and where the secrets live: made here with a replica elsewhere, or made elsewhere and replicated to here."
  type = object({
    versions = optional(object({
      registry      = optional(number, 1)
      database      = optional(number, 1)
      application   = optional(number, 1)
      administrator = optional(number, 1)
    }), {})
    recovery_days = optional(number, 7)
    # The region that owns the secrets; null: this one. Fixed at the first apply, whoever serves.
    home_region = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for version in values(var.secrets.versions) : version >= 1 && version <= 1000000 && floor(version) == version])
    error_message = "secrets.versions must be whole numbers from 1 to 1000000."
  }

  validation {
    # Limits of Secrets Manager's recovery window.
    condition     = var.secrets.recovery_days >= 7 && var.secrets.recovery_days <= 30 && floor(var.secrets.recovery_days) == var.secrets.recovery_days
    error_message = "secrets.recovery_days must be a whole number from 7 to 30."
  }

  validation {
    condition     = var.secrets.home_region == null ? true : can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.secrets.home_region))
    error_message = "secrets.home_region must be the name of an AWS region, or null."
  }
}

variable "secret_replica" {
  description = "Where the secrets made here are replicated to, and the key that encrypts them there. Null: nowhere."
  type = object({
    region     = string
    kms_key_id = string
  })
  default = null

  validation {
    condition     = var.secret_replica == null ? true : can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.secret_replica.region)) && var.secret_replica.kms_key_id != null
    error_message = "secret_replica.region must be the name of an AWS region, and kms_key_id a key there."
  }
}

variable "home_secrets" {
  description = "ARNs in the home region of the secrets made there, and the database secret's current version. Needed where `secrets.home_region` is another region."
  type = object({
    arns                = map(string)
    database_version_id = string
  })
  default = null

  validation {
    condition     = var.home_secrets == null ? true : try(length(setsubtract(["registry", "database", "application", "administrator"], keys(var.home_secrets.arns))) == 0, false)
    error_message = "home_secrets.arns must have the keys registry, database, application and administrator."
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
  description = "Token that may read packages. Ephemeral: in neither state nor plan. Null is enough while its version is not raised."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.github_token == null ? true : can(regex("^[!-~]{8,}$", var.github_token))
    error_message = "github_token must be a token of at least 8 characters without spaces or line breaks, or null."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Bastion
# ---------------------------------------------------------------------------------------------------------------------

variable "bastion" {
  description = "The administrators' way in: one address, one key. Off: nothing of it exists."
  type = object({
    enabled       = optional(bool, true)
    admin_cidr    = optional(string)
    public_key    = optional(string)
    instance_type = optional(string, "t4g.nano")
  })
  default  = { enabled = false }
  nullable = false

  validation {
    condition     = !var.bastion.enabled || var.bastion.admin_cidr != null
    error_message = "bastion.admin_cidr must be given while the bastion is enabled."
  }

  validation {
    # cidrhost refuses what is no address and writes one without leading zeros, hence the comparison.
    condition     = var.bastion.admin_cidr == null ? true : can(regex("^[0-9.]+/32$", var.bastion.admin_cidr)) && try(cidrhost(var.bastion.admin_cidr, 0) == trimsuffix(var.bastion.admin_cidr, "/32"), false) && !can(regex("^(0|127|22[4-9]|2[3-5][0-9])\\.", var.bastion.admin_cidr))
    error_message = "bastion.admin_cidr must be exactly one IPv4 address that somebody can have, written as A.B.C.D/32: no wider range, no host bits, no IPv6, no 0.0.0.0."
  }

  validation {
    condition     = !var.bastion.enabled || can(regex("^(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/=]+( [^\\n]*)?\\n?$", var.bastion.public_key))
    error_message = "bastion.public_key must be one OpenSSH public key, ssh-ed25519 or ssh-rsa (EC2 takes no other), while the bastion is enabled."
  }

  validation {
    condition     = can(regex("^t4g\\.[a-z0-9]+$", var.bastion.instance_type))
    error_message = "bastion.instance_type must be of the t4g family; the image is for ARM."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Logs and alarms
# ---------------------------------------------------------------------------------------------------------------------

variable "log_retention_days" {
  description = "How long the log groups keep their events."
  type        = number
  default     = 30
  nullable    = false

  validation {
    # The values that CloudWatch Logs accepts; 0 (for ever) is left out on purpose.
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a value that CloudWatch Logs accepts, such as 30, 90 or 365."
  }
}

variable "alarms" {
  description = "Who is told, and the thresholds."
  type = object({
    email                    = optional(string)
    database_cpu_percent     = optional(number, 80)
    database_free_gib        = optional(number, 4)
    database_connections_pct = optional(number, 80)
    replica_lag_seconds      = optional(number, 60)
    slow_queries             = optional(number, 10)
    service_cpu_percent      = optional(number, 85)
    service_memory_percent   = optional(number, 85)
    errors_5xx               = optional(number, 10)
    p99_seconds              = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alarms.email == null ? true : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarms.email))
    error_message = "alarms.email must be an e-mail address, or null."
  }

  validation {
    condition     = alltrue([for name, value in var.alarms : name == "email" ? true : tonumber(value) > 0 && (can(regex("_(percent|pct)$", name)) ? tonumber(value) <= 100 : true)])
    error_message = "every threshold in alarms must be greater than 0, and those in per cent at most 100."
  }
}
