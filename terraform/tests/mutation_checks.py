"""The checks bite: copies of the configuration that are wrong on purpose, each with the check that must notice."""

import failover_checks
import plan_checks
from harness import Report, Workspace

# What is made wrong, in which root, by which edit, and a part of the check's sentence.
MUTATIONS = [
    (
        "ssh from everywhere", "single-region",
        ("modules/region/bastion.tf", "cidr_ipv4         = var.bastion.admin_cidr", 'cidr_ipv4         = "0.0.0.0/0"'),
        "ssh is open to 0.0.0.0/0 nowhere",
    ),
    (
        "PostgreSQL from everywhere", "single-region",
        (
            "modules/region/rds.tf",
            'description                  = "PostgreSQL from the tasks"\n  referenced_security_group_id = aws_security_group.tasks.id',
            'description                  = "PostgreSQL from the tasks"\n  cidr_ipv4                    = "0.0.0.0/0"',
        ),
        "PostgreSQL is open to 0.0.0.0/0 nowhere",
    ),
    (
        "a public database", "single-region",
        ("modules/region/rds.tf", "publicly_accessible    = false", "publicly_accessible    = true"),
        "every database is private",
    ),
    (
        "tasks with public addresses", "single-region",
        ("modules/region/ecs-fargate.tf", "assign_public_ip = false", "assign_public_ip = true"),
        "tasks have no public address",
    ),
    (
        "TLS not forced", "single-region",
        ("modules/region/rds.tf", '"rds.force_ssl" = { value = "1"', '"rds.force_ssl" = { value = "0"'),
        "TLS is forced",
    ),
    (
        "a bucket open to its policy", "single-region",
        ("modules/bucket/main.tf", "block_public_policy     = !var.open_to_policy", "block_public_policy     = false"),
        "is private",
    ),
    (
        "a resource in the provider's region", "single-region",
        ("modules/region/vpc.tf", 'resource "aws_vpc" "this" {\n  region = var.region\n', 'resource "aws_vpc" "this" {\n'),
        "says `region =` itself",
    ),
    (
        "an alarm less", "single-region",
        ("modules/region/alarms.tf", '"none-healthy" = {', '"nobody-healthy" = {'),
        "the alarms are exactly those of the table",
    ),
    (
        "roles without the region in their names", "multi-region",
        ("modules/region/locals.tf", 'role_prefix = "${local.name}-${var.region}"', "role_prefix = local.name"),
        "global names of aws_iam_role are unique",
    ),
    (
        "a tag with the role", "multi-region",
        ("modules/region/ecs-fargate.tf", "  tags = { Name = local.cluster_name }", "  tags = { Name = local.cluster_name, Role = var.role }"),
        "no tag says who is active",
    ),
]


def check(report):
    for what, root, edit, sentence in MUTATIONS:
        silent = Report(silent=True)
        plan_checks.check(silent, root, Workspace(root, name="mutation", edits=[edit]).plan())
        report.check(f"mutation: {what} is noticed", any(sentence in failure for failure in silent.failures), silent.failures)

    # A promotion that Terraform would take back: without `ignore_changes` on the source.
    workspace = Workspace("multi-region", name="mutation", edits=[
        ("modules/region/rds.tf", "ignore_changes = [replicate_source_db, availability_zone, engine, username, db_name]", "ignore_changes = [engine, username, db_name]"),
    ])
    workspace.apply()
    failover_checks.promote(workspace, failover_checks.B)
    changes = workspace.plan().changes()
    report.check("mutation: a promotion that the next apply would undo is noticed", failover_checks.B in changes, changes)
