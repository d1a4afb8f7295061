"""What Terraform does after a fail-over that happened without it: nothing that destroys.

The state is edited as a promotion would change what AWS reports, and every plan that an operator may then make is made.
"""

import copy
import json

A = "module.region_a.aws_db_instance.primary"
B = "module.region_b.aws_db_instance.primary"
READER_A = 'module.region_a.aws_db_instance.replica["this"]'
READER_B = 'module.region_b.aws_db_instance.replica["this"]'

# The role is in these four, and in nothing else.
SWITCHED = {
    'module.global.aws_route53_record.primary["this"]': ["update"],
    'module.global.aws_route53_record.secondary["this"]': ["update"],
    "module.region_a.aws_appautoscaling_target.service": ["update"],
    "module.region_b.aws_appautoscaling_target.service": ["update"],
}
ORIGIN_MOVED = {A: ["update"], B: ["update"]}


def check(report, workspace):
    before = copy.deepcopy(workspace.state())
    switch_over(report, workspace)
    promote(workspace, B)
    after_fail_over(report, workspace)
    rebuild(report, workspace)
    restore(workspace, before)
    single_changes(report, workspace)


def restore(workspace, state):
    state["serial"] = workspace.state()["serial"] + 1
    workspace.state_file.write_text(json.dumps(state, indent=2))


def promote(workspace, address):
    """What `aws rds promote-read-replica` leaves behind: no source, a zone that RDS chose, tasks that scaled up."""

    def change(found, attributes):
        if found == address:
            attributes["replicate_source_db"] = ""
            attributes["availability_zone"] = attributes["availability_zone"][:-1] + "b"
        if found.endswith("aws_ecs_service.this"):
            attributes["desired_count"] = 5

    workspace.edit_state(change)


def plan_of(workspace, *arguments, **variables):
    return workspace.plan(*arguments, variables=variables)


def switch_over(report, workspace):
    plan = plan_of(workspace, active_region="b")
    report.equal("planned switch-over: scaling limits and DNS change in place, and nothing else", plan.changes(), SWITCHED)
    for name, target in (("primary", "region_b"), ("secondary", "region_a")):
        change = next(c for c in plan.json["resource_changes"] if c["address"] == f'module.global.aws_route53_record.{name}["this"]')["change"]
        changed = sorted(k for k in change["after"] if change["after"][k] != change["before"][k])
        report.equal(f"planned switch-over: {name} changes alias and check alone", changed, ["alias", "health_check_id"])
    order = plan.json["configuration"]["root_module"]["module_calls"]["global"]["module"]["resources"]
    secondary = next(r for r in order if r["address"] == "aws_route53_record.secondary")
    report.check("planned switch-over: the secondary record waits for the primary", "aws_route53_record.primary" in secondary.get("depends_on", []))


def after_fail_over(report, workspace):
    plan = plan_of(workspace, active_region="a")
    report.equal("after B was promoted: the old settings plan no change", plan.changes(), {})

    plan = plan_of(workspace, active_region="b")
    report.equal("after B was promoted: active_region = b destroys and replaces nothing", plan.destroyed(), [])
    report.equal("after B was promoted: active_region = b changes scaling limits and DNS alone", plan.changes(), SWITCHED)

    plan = plan_of(workspace, database_origin="b")
    report.equal("after B was promoted: database_origin = b alone destroys and replaces nothing", plan.destroyed(), [])
    report.equal("after B was promoted: database_origin = b alone changes the two databases in place", plan.changes(), ORIGIN_MOVED)

    plan = plan_of(workspace, active_region="b", database_origin="b")
    report.equal("after B was promoted: both together, likewise", plan.changes(), {**SWITCHED, **ORIGIN_MOVED})

    # Going on from there: the operator applies, and nothing is left to do.
    workspace.apply(variables={"active_region": "b", "database_origin": "b"})
    plan = plan_of(workspace, active_region="b", database_origin="b")
    report.equal("after B was promoted: applied, a plan changes nothing", plan.changes(), {})

    plan = plan_of(workspace, active_region="a", database_origin="b")
    report.equal("going back: active_region = a destroys and replaces nothing", plan.destroyed(), [])
    report.equal("going back: changes scaling limits and DNS alone", plan.changes(), SWITCHED)

    plan = plan_of(workspace, active_region="b", database_origin="b", secret_versions="{ database = 2 }")
    databases = {address: actions for address, actions in plan.changes().items() if "aws_db_instance" in address}
    report.equal("after B was promoted: a rotated password goes to B's database", databases, {B: ["update"]})


def rebuild(report, workspace):
    arguments = [f"-replace={A}", f"-replace={READER_A}"]
    plan = plan_of(workspace, *arguments, active_region="b", database_origin="b")
    report.equal("rebuilding A: replaces A's instance and its reader, and nothing else", plan.destroyed(), sorted([A, READER_A]))
    report.equal("rebuilding A: and changes nothing besides", sorted(plan.changes()), sorted([A, READER_A]))
    planned = plan.resources()[A][1]
    region_b = workspace.variables.get("region_b", "eu-central-1")
    report.check("rebuilding A: the new instance is a replica of B, by ARN", f":rds:{region_b}:" in (planned["replicate_source_db"] or ""), planned["replicate_source_db"])
    report.equal("rebuilding A: and brings no engine, user or database of its own", [planned.get(k) for k in ("username", "db_name", "password_wo_version")], [None, None, None])

    # And the whole way back: A is promoted in a planned switch-over, B rebuilt as its replica.
    workspace.apply(*arguments, variables={"active_region": "b", "database_origin": "b"})
    promote(workspace, A)
    plan = plan_of(workspace, active_region="a", database_origin="a")
    report.equal("fail-back: with A promoted again nothing is destroyed", plan.destroyed(), [])
    plan = plan_of(workspace, f"-replace={B}", f"-replace={READER_B}", active_region="a", database_origin="a")
    report.equal("fail-back: rebuilding B replaces B's instance and its reader, and nothing else", plan.destroyed(), sorted([B, READER_B]))
    report.check("fail-back: B is a replica of A again, by ARN", ":rds:eu-west-1:" in (plan.resources()[B][1]["replicate_source_db"] or ""))


def single_changes(report, workspace):
    """Changes of every day that must not move a database or a subnet."""
    for what, variables in (
        ("a third zone", {"availability_zones_a": '["a", "b", "c"]', "availability_zones_b": '["a", "b", "c"]'}),
        ("a new image", {"image": "ghcr.io/hello-you/hello-you@sha256:" + "f" * 64}),
        ("more tasks", {"tasks": "{ min = 3, max = 8 }"}),
        ("no bastion", {"bastion_enabled": "false"}),
    ):
        plan = workspace.plan(variables=variables)
        gone = [a for a in plan.destroyed() if any(t in a for t in ("aws_db_instance", "aws_subnet.", "aws_vpc.", "aws_nat", "aws_lb", "aws_ecs_service", "aws_ecs_cluster.", "aws_route53"))]
        report.none(f"{what}: moves no database, network, load balancer, service or record", gone)
