# How GitHub's workflows come in: no key is stored anywhere, GitHub vouches for the job.
# https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
#
# Two roles, each for the jobs of one *environment* of the repository. A job in an environment has the subject
# `repo:OWNER/NAME:environment:ENVIRONMENT`, whatever started it, and the environment's protection rules say who may
# start it: `plan` for branches of this repository, `apply` for main with a reviewer. A fork's pull request gets neither.

resource "aws_iam_openid_connect_provider" "github" {
  for_each = var.create_oidc_provider ? toset(["this"]) : toset([])

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  github_provider = "arn:${local.partition}:iam::${local.account}:oidc-provider/token.actions.githubusercontent.com"
  environments    = toset(["plan", "apply"])
}

data "aws_iam_policy_document" "github_trust" {
  # checkov:skip=CKV_AWS_358:the subject is one repository and one environment, compared whole; checkov does not see through the variable

  for_each = local.environments

  statement {
    sid     = "JobsOfTheEnvironment"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.github_provider]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:environment:${each.key}"]
    }
  }
}

resource "aws_iam_role" "github" {
  for_each = local.environments

  name        = "${var.name}-github-${each.key}"
  description = "GitHub workflows of ${var.github_repository} in the environment ${each.key}"

  # A first apply with a replica in another region takes hours.
  max_session_duration = 14400
  assume_role_policy   = data.aws_iam_policy_document.github_trust[each.key].json

  depends_on = [aws_iam_openid_connect_provider.github]
}

# ---------------------------------------------------------------------------------------------------------------------
# Both: the state
# ---------------------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "state" {
  statement {
    sid       = "FindTheState"
    actions   = ["s3:ListBucket"]
    resources = [module.state.arn]
  }

  statement {
    # A plan locks too, hence the writing.
    sid       = "LockTheState"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${module.state.arn}/*.tflock"]
  }

  statement {
    sid       = "ReadTheState"
    actions   = ["s3:GetObject"]
    resources = ["${module.state.arn}/*.tfstate"]
  }

  statement {
    sid       = "UseItsKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }
}

resource "aws_iam_role_policy" "state" {
  for_each = aws_iam_role.github

  name   = "state"
  role   = each.value.name
  policy = data.aws_iam_policy_document.state.json
}

# ---------------------------------------------------------------------------------------------------------------------
# Both: looking at what is there. Not AWS's ReadOnlyAccess, which reads every object of every bucket.
# ---------------------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "look" {
  # checkov:skip=CKV_AWS_356:reading only, and most Describe calls know no resource; the statement says so

  statement {
    # Wildcard: refreshing describes whatever the configuration names, and most Describe calls know no resource.
    sid = "DescribeWhatIsThere"
    actions = [
      "acm:DescribeCertificate",
      "acm:ListTagsForCertificate",
      "application-autoscaling:Describe*",
      "application-autoscaling:ListTagsForResource",
      "cloudwatch:DescribeAlarms",
      "cloudwatch:GetDashboard",
      "cloudwatch:ListTagsForResource",
      "ec2:Describe*",
      "ec2:GetSecurityGroupsForVpc",
      "ecs:Describe*",
      "ecs:ListTagsForResource",
      "elasticloadbalancing:Describe*",
      "events:DescribeRule",
      "events:ListTagsForResource",
      "events:ListTargetsByRule",
      "kms:DescribeKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListAliases",
      "kms:ListResourceTags",
      "logs:DescribeLogGroups",
      "logs:DescribeMetricFilters",
      "logs:ListTagsForResource",
      "rds:Describe*",
      "rds:ListTagsForResource",
      "route53:Get*",
      "route53:List*",
      "secretsmanager:DescribeSecret",
      "secretsmanager:GetResourcePolicy",
      "secretsmanager:ListSecretVersionIds",
      "sns:GetSubscriptionAttributes",
      "sns:GetTopicAttributes",
      "sns:ListTagsForResource",
      "wafv2:Get*",
      "wafv2:List*",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "LookAtItsRoles"
    actions   = ["iam:GetInstanceProfile", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies", "iam:ListRoleTags"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-*", "arn:${local.partition}:iam::${local.account}:instance-profile/${var.name}-*"]
  }

  statement {
    # The buckets' settings; of their objects only the state is read (above).
    sid = "LookAtItsBuckets"
    actions = [
      "s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketLogging", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketOwnershipControls",
      "s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock", "s3:GetBucketRequestPayment", "s3:GetBucketTagging", "s3:GetBucketVersioning", "s3:GetBucketWebsite",
      "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket",
    ]
    resources = ["arn:${local.partition}:s3:::${var.name}-*"]
  }

  statement {
    # A plan reads the database's secret back (modules/region/secrets.tf), and a refresh asks for the value of every version
    # to see that it is there (the provider's aws_secretsmanager_secret_version knows no other call). This is why a plan
    # runs for branches of this repository alone.
    sid       = "ReadItsSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["arn:${local.partition}:secretsmanager:*:${local.account}:secret:${var.name}-*"]
  }

  statement {
    # Wildcard: a generator of random text has no resource.
    sid       = "GenerateRandomText"
    actions   = ["secretsmanager:GetRandomPassword"]
    resources = ["*"]
  }

  statement {
    sid       = "DecryptThem"
    actions   = ["kms:Decrypt"]
    resources = ["arn:${local.partition}:kms:*:${local.account}:key/*"]

    condition {
      test     = "StringLike"
      variable = "kms:ViaService"
      values   = ["secretsmanager.*.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "look" {
  for_each = aws_iam_role.github

  name   = "look"
  role   = each.value.name
  policy = data.aws_iam_policy_document.look.json
}

# ---------------------------------------------------------------------------------------------------------------------
# Apply: changing it
# ---------------------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "change" {
  # checkov:skip=CKV_AWS_107:the secrets are narrowed by name; the account's other secrets are out of reach
  # checkov:skip=CKV_AWS_109:IAM is narrowed by name, and its own roles are denied to it
  # checkov:skip=CKV_AWS_111:these services give ids only when a resource is made; the statement says so
  # checkov:skip=CKV_AWS_356:these services give ids only when a resource is made; the statement says so

  statement {
    sid       = "WriteTheState"
    actions   = ["s3:PutObject"]
    resources = ["${module.state.arn}/*.tfstate"]
  }

  statement {
    # Wildcard: these services give ids only when a resource is made (vpc-..., sg-..., key/...), so a policy written before
    # cannot name them. What could hurt most, IAM and buckets, is narrowed by name below.
    sid = "ChangeTheServicesInUse"
    actions = [
      "acm:*",
      "application-autoscaling:*",
      "cloudwatch:*",
      "ec2:*",
      "ecs:*",
      "elasticloadbalancing:*",
      "events:*",
      "kms:*",
      "logs:*",
      "rds:*",
      "route53:*",
      "sns:*",
      "wafv2:*",
    ]
    resources = ["*"]
  }

  statement {
    sid = "ChangeItsSecrets"
    actions = [
      "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
      "secretsmanager:RemoveRegionsFromReplication", "secretsmanager:ReplicateSecretToRegions", "secretsmanager:RestoreSecret", "secretsmanager:StopReplicationToReplica",
      "secretsmanager:TagResource", "secretsmanager:UntagResource", "secretsmanager:UpdateSecret", "secretsmanager:UpdateSecretVersionStage",
    ]
    resources = ["arn:${local.partition}:secretsmanager:*:${local.account}:secret:${var.name}-*"]
  }

  statement {
    # Objects only to be deleted: an emptied bucket can go.
    sid = "ChangeItsBuckets"
    actions = [
      "s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:ListBucketVersions", "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
    ]
    resources = ["arn:${local.partition}:s3:::${var.name}-*"]
  }

  statement {
    sid       = "EmptyItsLogBuckets"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = ["arn:${local.partition}:s3:::${var.name}-*-alb-logs-*/*", "arn:${local.partition}:s3:::${var.name}-*-witness-*/*"]
  }

  statement {
    sid = "ChangeItsRoles"
    actions = [
      "iam:AddRoleToInstanceProfile", "iam:AttachRolePolicy", "iam:CreateInstanceProfile", "iam:CreateRole", "iam:DeleteInstanceProfile", "iam:DeleteRole",
      "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePolicy", "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile", "iam:TagRole",
      "iam:UntagInstanceProfile", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
    ]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-*", "arn:${local.partition}:iam::${local.account}:instance-profile/${var.name}-*"]
  }

  statement {
    sid       = "PassItsRolesToServices"
    actions   = ["iam:PassRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "monitoring.rds.amazonaws.com", "vpc-flow-logs.amazonaws.com"]
    }
  }

  statement {
    sid       = "MakeServiceLinkedRoles"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/aws-service-role/*"]
  }

  statement {
    # Its own rights, the trail that sees it, and the state's bucket stay with the person who ran this.
    sid     = "LeaveTheBootstrapAlone"
    effect  = "Deny"
    actions = ["iam:*", "s3:DeleteBucket*", "s3:PutBucket*", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]
    resources = concat(
      ["arn:${local.partition}:iam::${local.account}:role/${var.name}-github-*", module.state.arn, aws_kms_key.this.arn],
      [for bucket in module.trail : bucket.arn],
    )
  }
}

resource "aws_iam_role_policy" "change" {
  name   = "change"
  role   = aws_iam_role.github["apply"].name
  policy = data.aws_iam_policy_document.change.json
}
