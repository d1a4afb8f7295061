# Four secrets, JSON each, in Secrets Manager. No value is in state or plan: generators are ephemeral, versions are
# write-only. A fixed home region owns them and replicates them to the other; `role` and `origin` have no part in it.
#
# The database's password makes a detour: generated, written to the store, read back *by version id*, given to the
# instance. A generator gives a new value on each run, so only what the store has kept can be the same in both places.
# Raising `secrets.versions.database` replaces the secret version, its id is unknown at plan, and so the read waits for
# the apply that writes it.

locals {
  secrets = {
    registry      = "User and token that may pull the image"
    database      = "User and password of the database"
    application   = "Key that signs the service's consistency tokens"
    administrator = "Token of the administrators' calls"
  }

  home_region = coalesce(var.secrets.home_region, var.region)

  # A replica has the ARN of its primary with the region exchanged, suffix included.
  # https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html
  home_arns = local.secrets_here ? { for secret, description in local.secrets : secret => aws_secretsmanager_secret.this[secret].arn } : var.home_secrets.arns

  secret_arns = {
    for secret, description in local.secrets : secret => replace(local.home_arns[secret], ":${local.home_region}:", ":${var.region}:")
  }

  database_version_id = local.secrets_here ? aws_secretsmanager_secret_version.database["this"].version_id : var.home_secrets.database_version_id

  # Text that is no JSON is taken whole (a provider that only records answers with such). JSON without the key cannot
  # slip through: RDS refuses a password with quotation marks.
  database_secret   = one([for secret in ephemeral.aws_secretsmanager_secret_version.database : secret.secret_string])
  database_password = var.database_is_origin ? try(jsondecode(local.database_secret).password, local.database_secret) : null

  made_here = local.secrets_here ? toset(["this"]) : toset([])
}

# A prefix, not a name: a deleted secret keeps its name blocked for the recovery window.
resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57:raising a version rotates, in an order that keeps database and tasks together; a rotation function would break the fail-over's rule that the home region alone writes

  for_each = local.secrets_here ? local.secrets : {}
  region   = var.region

  name_prefix             = "${local.name}-${each.key}-"
  description             = each.value
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = var.secrets.recovery_days

  dynamic "replica" {
    for_each = var.secret_replica == null ? [] : [var.secret_replica]

    content {
      region     = replica.value.region
      kms_key_id = replica.value.kms_key_id
    }
  }

  tags = { Name = "${local.name}-${each.key}" }
}

# ---------------------------------------------------------------------------------------------------------------------
# Generators
# ---------------------------------------------------------------------------------------------------------------------

# Letters and digits only: RDS refuses / @ " and space, and nothing has to be escaped anywhere. 40 of them are 238 bits.
ephemeral "aws_secretsmanager_random_password" "this" {
  for_each = local.secrets_here ? toset(["database", "application", "administrator"]) : toset([])
  region   = var.region

  password_length     = 40
  exclude_punctuation = true
  include_space       = false
}

# ---------------------------------------------------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------------------------------------------------

# The form that ECS asks for: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
resource "aws_secretsmanager_secret_version" "registry" {
  for_each = local.made_here
  region   = var.region

  secret_id                = aws_secretsmanager_secret.this["registry"].arn
  secret_string_wo         = jsonencode({ username = var.github_user, password = var.github_token })
  secret_string_wo_version = var.secrets.versions.registry
}

resource "aws_secretsmanager_secret_version" "database" {
  for_each = local.made_here
  region   = var.region

  secret_id                = aws_secretsmanager_secret.this["database"].arn
  secret_string_wo         = jsonencode({ username = var.database.user, password = ephemeral.aws_secretsmanager_random_password.this["database"].random_password })
  secret_string_wo_version = var.secrets.versions.database
}

resource "aws_secretsmanager_secret_version" "application" {
  for_each = local.made_here
  region   = var.region

  secret_id                = aws_secretsmanager_secret.this["application"].arn
  secret_string_wo         = jsonencode({ secret_key = ephemeral.aws_secretsmanager_random_password.this["application"].random_password })
  secret_string_wo_version = var.secrets.versions.application
}

resource "aws_secretsmanager_secret_version" "administrator" {
  for_each = local.made_here
  region   = var.region

  secret_id                = aws_secretsmanager_secret.this["administrator"].arn
  secret_string_wo         = jsonencode({ token = ephemeral.aws_secretsmanager_random_password.this["administrator"].random_password })
  secret_string_wo_version = var.secrets.versions.administrator
}

# ---------------------------------------------------------------------------------------------------------------------
# Read back for the instance that is the origin
# ---------------------------------------------------------------------------------------------------------------------

# From the home region, where the version exists as soon as it is written; a replica follows a moment later.
ephemeral "aws_secretsmanager_secret_version" "database" {
  for_each = var.database_is_origin ? toset(["this"]) : toset([])
  region   = local.home_region

  secret_id  = local.home_arns.database
  version_id = local.database_version_id
}
