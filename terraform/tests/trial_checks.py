"""A copy to try out, as on one machine: built, left alone, and removed to the last resource."""

from harness import Workspace, of_type, state_resources

CA = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"

# Everything that a trial may want other than the default: an older PostgreSQL, an authority of its own, short times.
VARIABLES = {
    "environment": "dev",
    "domain": "hello.localhost",
    "postgres_version": "15",
    "database_ca_pem": CA,
    "nat_gateway_per_az": "false",
    "waf": "false",
    "interface_endpoints": "[]",
    "service": "{ drain_delay = 1, shutdown_grace = 5 }",
    "load_balancer": "{ deregistration_delay = 5, health_check = { interval = 5, timeout = 2, unhealthy_threshold = 2 } }",
    "scaling": "{ requests_per_target = 60, out_cooldown = 5, in_cooldown = 30 }",
    "database": "{ backup_retention_days = 1, slow_query_ms = 100 }",
    "alarms": "{ slow_queries = 1, errors_5xx = 1 }",
}


def check(report):
    workspace = Workspace("single-region", VARIABLES, name="trial")
    workspace.apply()
    resources = state_resources(workspace.state())
    report.equal("trial: a plan after the apply changes nothing", workspace.plan().changes(), {})

    target = next(iter(of_type(resources, "aws_lb_target_group").values()))
    report.equal(
        "trial: the load balancer's times are the given ones",
        [target["deregistration_delay"], [check["interval"] for check in target["health_check"]]], ["5", [5]],
    )
    report.equal(
        "trial: scaling has the given targets and cooldowns, and the module's default elsewhere",
        {
            (t["target_value"], t["scale_out_cooldown"], t["scale_in_cooldown"])
            for policy in of_type(resources, "aws_appautoscaling_policy").values() for t in policy["target_tracking_scaling_policy_configuration"]
        },
        {(60, 5, 30), (70, 5, 30)},
    )
    report.equal(
        "trial: every database has the given version and backups",
        {(database["engine_version"], database["backup_retention_period"]) for database in of_type(resources, "aws_db_instance").values()}, {("15", 1)},
    )
    report.none(
        "trial: nothing is protected against its removal",
        [
            address for address, (kind, values) in resources.items()
            if values.get("deletion_protection") or values.get("enable_deletion_protection") or kind in ("aws_s3_bucket", "aws_route53_zone") and not values["force_destroy"]
        ],
    )

    # What changes by itself: the image of the month, the number of tasks.
    def time_passes(address, attributes):
        if address.endswith('aws_instance.bastion["this"]'):
            attributes["ami"] = "ami-00000000000000000"
        if address.endswith("aws_ecs_service.this"):
            attributes["desired_count"] = 5

    workspace.edit_state(time_passes)
    report.equal("trial: neither a newer image nor scaled tasks make a plan", workspace.plan().changes(), {})

    workspace.run("destroy", "-no-color", "-input=false", "-auto-approve")
    report.equal("trial: a destroy leaves nothing", list(state_resources(workspace.state())), [])
