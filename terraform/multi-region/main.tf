# The diagram twice: one region serves, the other is its pilot light, and either can be either.

provider "aws" {
  # The provider's own region is the witness: what it asks there at the start (who am I) must not hang on a region that
  # may be dark. Every resource says its region itself.
  region = var.witness_region

  # No role in here: a tag that says who is active would change everything at each switch-over.
  default_tags {
    tags = {
      Project     = var.name
      Environment = var.environment
      ManagedBy   = "terraform/multi-region"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # B takes A's database by reference. A takes B's as a string made of names, or the two would wait for each other.
  database_arn_b = "arn:${data.aws_partition.current.partition}:rds:${var.region_b}:${data.aws_caller_identity.current.account_id}:db:${var.name}-${var.environment}-db"

  load_balancer = merge(var.load_balancer, { waf = var.waf })

  service = merge(var.service, {
    image        = var.image
    cpu          = var.task_size.cpu
    memory       = var.task_size.memory
    architecture = var.architecture
    pool_size    = var.pool_size
    leap_day     = var.leap_day
    min_timeline = var.min_timeline
  })

  # Each region must be able to carry everything alone; the database, everything of both.
  scaling = merge(var.scaling, {
    active_min             = var.tasks.min
    pilot_min              = var.tasks.pilot_min
    max                    = var.tasks.max
    on_demand_base         = var.tasks.min
    max_tasks_other_region = var.tasks.max
  })

  database = merge(var.database, {
    user                  = var.database_user
    postgres_version      = var.postgres_version
    instance_class        = var.database_instance_class
    allocated_storage     = var.database_storage_gib.initial
    max_allocated_storage = var.database_storage_gib.max
    max_connections       = var.max_connections
    multi_az              = var.multi_az
    ca_pem                = var.database_ca_pem
  })

  alarms = merge(var.alarms, { email = var.alarm_email })

  bastion = {
    enabled    = var.bastion_enabled
    admin_cidr = var.admin_cidr
    public_key = var.admin_public_key
  }
}

module "region_a" {
  source = "../modules/region"

  name        = var.name
  environment = var.environment
  region      = var.region_a
  role        = var.active_region == "a" ? "active" : "pilot"

  network = {
    cidr                = var.vpc_cidr_a
    availability_zones  = var.availability_zones_a
    nat_gateway_per_az  = var.nat_gateway_per_az
    interface_endpoints = var.interface_endpoints
  }

  load_balancer                = local.load_balancer
  domain                       = var.domain
  certificate_validation_fqdns = module.global.validation_fqdns

  service            = local.service
  scaling            = local.scaling
  far_database_hosts = module.region_b.database_hosts

  database            = merge(local.database, { read_replica = var.read_replica.a, backup_hour = 1 })
  database_is_origin  = var.database_origin == "a"
  database_source_arn = var.database_origin == "a" ? null : local.database_arn_b

  secrets        = { versions = var.secret_versions, home_region = var.region_a }
  secret_replica = { region = var.region_b, kms_key_id = module.region_b.kms_key_arn }
  github_user    = var.github_user
  github_token   = var.github_token

  bastion            = local.bastion
  log_retention_days = var.log_retention_days
  alarms             = local.alarms
}

module "region_b" {
  source = "../modules/region"

  name        = var.name
  environment = var.environment
  region      = var.region_b
  role        = var.active_region == "b" ? "active" : "pilot"

  network = {
    cidr                = var.vpc_cidr_b
    availability_zones  = var.availability_zones_b
    nat_gateway_per_az  = var.nat_gateway_per_az
    interface_endpoints = var.interface_endpoints
  }

  load_balancer                = local.load_balancer
  domain                       = var.domain
  certificate_validation_fqdns = module.global.validation_fqdns

  service            = local.service
  scaling            = local.scaling
  far_database_hosts = module.region_a.database_hosts

  database            = merge(local.database, { read_replica = var.read_replica.b, backup_hour = 5 })
  database_is_origin  = var.database_origin == "b"
  database_source_arn = var.database_origin == "b" ? null : module.region_a.database_arn

  secrets      = { versions = var.secret_versions, home_region = var.region_a }
  home_secrets = { arns = module.region_a.secret_arns, database_version_id = module.region_a.database_secret_version_id }
  github_user  = var.github_user
  github_token = var.github_token

  bastion            = local.bastion
  log_retention_days = var.log_retention_days
  alarms             = local.alarms
}

module "global" {
  source = "../modules/global"

  name                = var.name
  environment         = var.environment
  domain              = var.domain
  zone_id             = var.zone_id
  validation_options  = module.region_a.certificate_validation_options
  active_region       = var.active_region
  witness_region      = var.witness_region
  operator_principals = var.operator_principals
  alarm_email         = var.alarm_email

  regions = { a = module.region_a.for_global, b = module.region_b.for_global }
}
