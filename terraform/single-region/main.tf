# The whole diagram in one region.

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = var.name
      Environment = var.environment
      ManagedBy   = "terraform/single-region"
    }
  }
}

module "region" {
  source = "../modules/region"

  name        = var.name
  environment = var.environment
  region      = var.region
  role        = "active"

  network = {
    cidr                = var.vpc_cidr
    availability_zones  = var.availability_zones
    nat_gateway_per_az  = var.nat_gateway_per_az
    interface_endpoints = var.interface_endpoints
  }

  load_balancer                = merge(var.load_balancer, { waf = var.waf })
  domain                       = var.domain
  certificate_validation_fqdns = flatten([for dns in module.global : dns.validation_fqdns])

  service = merge(var.service, {
    image        = var.image
    cpu          = var.task_size.cpu
    memory       = var.task_size.memory
    architecture = var.architecture
    pool_size    = var.pool_size
    leap_day     = var.leap_day
    min_timeline = var.min_timeline
  })

  scaling = merge(var.scaling, {
    active_min     = var.tasks.min
    pilot_min      = 1
    max            = var.tasks.max
    on_demand_base = var.tasks.min
  })

  database = merge(var.database, {
    user                  = var.database_user
    postgres_version      = var.postgres_version
    instance_class        = var.database_instance_class
    allocated_storage     = var.database_storage_gib.initial
    max_allocated_storage = var.database_storage_gib.max
    max_connections       = var.max_connections
    read_replica          = var.read_replica
    multi_az              = var.multi_az
    ca_pem                = var.database_ca_pem
  })

  secrets      = { versions = var.secret_versions }
  github_user  = var.github_user
  github_token = var.github_token

  bastion = {
    enabled    = var.bastion_enabled
    admin_cidr = var.admin_cidr
    public_key = var.admin_public_key
  }

  log_retention_days = var.log_retention_days
  alarms             = merge(var.alarms, { email = var.alarm_email })
}

# Zone (or the one given), validation record and a plain alias record; nothing of it without a domain.
module "global" {
  source   = "../modules/global"
  for_each = var.domain == null ? toset([]) : toset(["this"])

  name               = var.name
  environment        = var.environment
  domain             = var.domain
  zone_id            = var.zone_id
  validation_options = module.region.certificate_validation_options

  regions = { a = module.region.for_global }
}
