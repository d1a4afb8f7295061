"""What stands after an apply in record mode: policies, alarms, the tasks' environment, the way of the secrets.

Identifiers are made up by the provider; what is checked is who refers to whom.
"""

import json
import re
from pathlib import Path

from harness import PLANTED_TOKEN, IMAGE, of_type, state_resources

EXPECTED = Path(__file__).resolve().parent / "expected"


def check(report, root, workspace, accept=False):
    state = workspace.state()
    resources = state_resources(state)

    plan = workspace.plan()
    report.equal(f"{root}: a plan after the apply changes nothing", plan.changes(), {})
    report.check(f"{root}: and says so", "No changes." in plan.output, plan.output)

    secrets_are_absent(report, root, state, resources)
    record_is_clean(report, root, workspace)
    policies(report, root, resources, accept)
    alarms(report, root, resources)
    containers(report, root, resources)
    rotation(report, root, workspace)
    if root == "multi-region":
        fail_over_dns(report, resources)


# ----------------------------------------------------------------------------------------------------------------------
# Secrets
# ----------------------------------------------------------------------------------------------------------------------

def secrets_are_absent(report, root, state, resources):
    report.check(f"{root}: the planted token is nowhere in the state", PLANTED_TOKEN not in json.dumps(state))
    report.none(
        f"{root}: no secret value and no password is in the state",
        [
            f"{address}: {name}"
            for address, (_, values) in resources.items() for name, value in values.items()
            if name in ("password", "password_wo", "secret_string", "secret_string_wo", "secret_binary") and value
        ],
    )


def record_is_clean(report, root, workspace):
    record = workspace.base / "record.jsonl"
    report.check(f"{root}: the planted token is not in the provider's record either", record.exists() and PLANTED_TOKEN not in record.read_text())


def rotation(report, root, workspace):
    plan = workspace.plan(variables={"secret_versions": "{ database = 2 }"})
    origin = "module.region" if root == "single-region" else "module.region_a"
    changes = plan.changes()
    version = f'{origin}.aws_secretsmanager_secret_version.database["this"]'
    report.check(f"{root}: rotating the password writes a new secret version", changes.pop(version, None) in (["delete", "create"], ["create", "delete"]))
    report.equal(f"{root}: the origin's database takes it in place", changes.pop(f"{origin}.aws_db_instance.primary", None), ["update"])
    rolled = [address for address in changes if address.endswith("aws_ecs_task_definition.this")]
    regions = 1 if root == "single-region" else 2
    report.equal(f"{root}: every region's tasks are rolled", len(rolled), regions)
    for address in rolled:
        changes.pop(address)
    services = [address for address in changes if address.endswith("aws_ecs_service.this")]
    for address in services:
        report.equal(f"{root}: {address} moves to the new revision in place", changes.pop(address), ["update"])
    report.equal(f"{root}: and nothing else changes", changes, {})

    # Terraform opens an ephemeral resource at plan only if its arguments are known. The version's id is not, so the
    # read must wait: an opened one would have read the *old* password.
    read = f'{origin}.ephemeral.aws_secretsmanager_secret_version.database["this"]'
    report.check(
        f"{root}: the read-back waits for the apply", f"{read}: Configuration unknown, deferring" in plan.output and f"{read}: Opening" not in plan.output, plan.output,
    )
    after = next(change for change in plan.json["resource_changes"] if change["address"] == version)
    report.check(f"{root}: since the version's id is unknown until then", after["change"]["after_unknown"].get("version_id") is True)
    report.check(f"{root}: while an ordinary plan reads it at once", f"{read}: Opening" in workspace.plan().output)


# ----------------------------------------------------------------------------------------------------------------------
# Policies: exactly these statements
# ----------------------------------------------------------------------------------------------------------------------

POLICY_ATTRIBUTES = {
    "aws_iam_role": "assume_role_policy",
    "aws_iam_role_policy": "policy",
    "aws_kms_key": "policy",
    "aws_s3_bucket_policy": "policy",
    "aws_sns_topic_policy": "policy",
}


def rendered_policies(resources):
    """Address -> policy with every made-up ARN replaced by the address of what it names."""
    names = []
    for address, (kind, values) in resources.items():
        # These name somebody else's ARN in `arn`.
        if kind in ("aws_cloudwatch_event_target", "aws_sns_topic_policy"):
            continue
        arn = values.get("arn")
        # A bucket's or a group's ARN is a prefix of others: the longest go first.
        if isinstance(arn, str) and arn.startswith("arn:"):
            names.append((arn, f"<{address}>"))
            # A secret's replica has its ARN with the region exchanged.
            for replica in values.get("replica") or []:
                names.append((arn.replace(f":{values['region']}:", f":{replica['region']}:"), f"<{address} in {replica['region']}>"))
    names.sort(key=lambda pair: -len(pair[0]))

    def named(value):
        if isinstance(value, dict):
            return {key: named(item) for key, item in value.items()}
        if isinstance(value, list):
            return sorted((named(item) for item in value), key=json.dumps)
        if isinstance(value, str):
            for arn, address in names:
                # A whole segment of the ARN: `...-replica` is not `...` with something behind it.
                value = re.sub(re.escape(arn) + r"(?![A-Za-z0-9-])", address, value)
        return value

    rendered = {}
    for address, (kind, values) in resources.items():
        if kind in POLICY_ATTRIBUTES:
            policy = json.loads(values[POLICY_ATTRIBUTES[kind]])
            rendered[address] = [named(statement) for statement in aslist(policy["Statement"])]
    return rendered


def aslist(value):
    return value if isinstance(value, list) else [value]


def raw_policies(resources):
    return {
        address: values[POLICY_ATTRIBUTES[kind]]
        for address, (kind, values) in resources.items() if kind in POLICY_ATTRIBUTES
    }


def reviewed(report, root, resources, accept):
    """Compares with the reviewed text in expected/; returns the policies as rendered."""
    rendered = rendered_policies(resources)
    file = EXPECTED / f"policies-{root}.json"
    if accept:
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(rendered, indent=2, sort_keys=True) + "\n")
    expected = json.loads(file.read_text())
    report.equal(f"{root}: policies stand on exactly the expected resources", sorted(rendered), sorted(expected))
    for address in sorted(rendered):
        report.equal(f"{root}: {address} says exactly what was reviewed", rendered[address], expected.get(address))
    return rendered


def policies(report, root, resources, accept):
    rendered = reviewed(report, root, resources, accept)

    # Beside the reviewed text: rules that hold for any policy.
    wildcards = []
    for address, statements in rendered.items():
        for statement in statements:
            if statement.get("Effect") != "Allow":
                continue
            if "*" in aslist(statement.get("Action")):
                wildcards.append(f"{address}: every action")
            # In a key policy `*` is the key itself.
            if "*" in aslist(statement.get("Resource", [])) and ".aws_kms_key." not in address:
                wildcards.append(f"{address}: {statement['Sid']}")
    allowed = {"SessionManager", "LookAtMetrics"}
    report.none(
        f"{root}: a wildcard resource has a written reason",
        [entry for entry in wildcards if entry.rsplit(": ", 1)[1] not in allowed],
    )

    attached = of_type(resources, "aws_iam_role_policy_attachment")
    report.equal(
        f"{root}: the only managed policy is RDS's for monitoring",
        {attachment["policy_arn"] for attachment in attached.values()},
        {"arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"},
    )
    task_roles = {role["name"] for address, role in of_type(resources, "aws_iam_role").items() if address.endswith("aws_iam_role.task")}
    report.none(
        f"{root}: the task role may do nothing",
        [address for address, policy in of_type(resources, "aws_iam_role_policy").items() if policy["role"] in task_roles],
    )
    trusts = {a: s for a, s in rendered.items() if ".aws_iam_role." in f".{a}"}
    report.none(
        f"{root}: services act for this account only, where they say whom they act for",
        [
            address for address, statements in trusts.items() for statement in statements
            if "Service" in statement["Principal"] and statement["Sid"] not in ("Ec2Instances", "EcsBeforeTheTaskRuns")
            and statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount") != account(resources)
        ],
    )


def account(resources):
    return next(values["owner_id"] for values in of_type(resources, "aws_vpc").values())


# ----------------------------------------------------------------------------------------------------------------------
# Alarms: the right dimensions, and a topic that hears them
# ----------------------------------------------------------------------------------------------------------------------

def alarms(report, root, resources):
    topics = {topic["arn"]: topic["region"] for topic in of_type(resources, "aws_sns_topic").values()}
    found = of_type(resources, "aws_cloudwatch_metric_alarm")
    report.none(
        f"{root}: every alarm tells a topic of its own region, when it goes off and when it ends",
        [
            address for address, alarm in found.items()
            if len(alarm["alarm_actions"]) != 1
            or topics.get(alarm["alarm_actions"][0]) != alarm["region"]
            or alarm["ok_actions"] != alarm["alarm_actions"]
        ],
    )
    report.none(
        f"{root}: every topic is encrypted with a key of its region and has a subscriber",
        [
            address for address, topic in of_type(resources, "aws_sns_topic").items()
            if not re.search(rf":kms:{topic['region']}:", topic["kms_master_key_id"] or "")
            or topic["arn"] not in {s["topic_arn"] for s in of_type(resources, "aws_sns_topic_subscription").values()}
        ],
    )

    # What each alarm looks at must be there, in the alarm's own region.
    known = {"DBInstanceIdentifier": set(), "ClusterName": set(), "ServiceName": set(), "LoadBalancer": set(), "TargetGroup": set(), "HealthCheckId": set()}
    for kind, attribute, dimension in (
        ("aws_db_instance", "identifier", "DBInstanceIdentifier"), ("aws_ecs_cluster", "name", "ClusterName"), ("aws_ecs_service", "name", "ServiceName"),
        ("aws_lb", "arn_suffix", "LoadBalancer"), ("aws_lb_target_group", "arn_suffix", "TargetGroup"),
    ):
        for values in of_type(resources, kind).values():
            known[dimension].add((values["region"], values[attribute]))
    for check_ in of_type(resources, "aws_route53_health_check").values():
        known["HealthCheckId"].add(("us-east-1", check_["id"]))

    expected_dimensions = {
        "AWS/RDS": {"DBInstanceIdentifier"}, "AWS/ECS": {"ClusterName", "ServiceName"}, "ECS/ContainerInsights": {"ClusterName", "ServiceName"},
        "AWS/Route53": {"HealthCheckId"},
    }
    filters = {
        (f["region"], t["namespace"], t["name"])
        for f in of_type(resources, "aws_cloudwatch_log_metric_filter").values() for t in f["metric_transformation"]
    }
    wrong = []
    for address, alarm in found.items():
        metrics = [alarm] if alarm["metric_name"] else [m for q in alarm["metric_query"] for m in q["metric"]]
        for metric in metrics:
            namespace, dimensions = metric["namespace"], metric["dimensions"] or {}
            if namespace == "AWS/ApplicationELB":
                expected = {"LoadBalancer"} if metric["metric_name"] == "HTTPCode_ELB_5XX_Count" else {"LoadBalancer", "TargetGroup"}
            elif namespace in expected_dimensions:
                expected = expected_dimensions[namespace]
            else:
                expected = set()
                if (alarm["region"], namespace, metric["metric_name"]) not in filters:
                    wrong.append(f"{address}: no log metric filter writes {namespace} {metric['metric_name']}")
            if set(dimensions) != expected:
                wrong.append(f"{address}: dimensions {sorted(dimensions)} instead of {sorted(expected)}")
            for dimension, value in dimensions.items():
                if (alarm["region"], value) not in known[dimension]:
                    wrong.append(f"{address}: there is no {dimension} {value} in {alarm['region']}")
    report.none(f"{root}: every alarm watches something that exists", wrong)

    boards = of_type(resources, "aws_cloudwatch_dashboard")
    for address, board in boards.items():
        body = board["dashboard_body"]
        missing = [
            alarm["alarm_name"] for alarm in found.values()
            if alarm["region"] == board["region"] and alarm["namespace"] != "AWS/Route53" and f":alarm:{alarm['alarm_name']}" not in body
        ]
        report.none(f"{root}: {address} shows every alarm of its region", missing)


# ----------------------------------------------------------------------------------------------------------------------
# What the tasks get
# ----------------------------------------------------------------------------------------------------------------------

def task_containers(resources):
    return {
        address: (task["region"], json.loads(task["container_definitions"])[0])
        for address, task in of_type(resources, "aws_ecs_task_definition").items()
    }


def environment_names(resources):
    """Every name that the task definitions put into the program's environment."""
    return {
        entry["name"]
        for _, container in task_containers(resources).values()
        for entry in container["environment"] + container["secrets"]
    }


def containers(report, root, resources):
    hosts = {}
    for address, database in of_type(resources, "aws_db_instance").items():
        hosts.setdefault(database["region"], []).append((".replica[" in address, database["address"]))
    hosts = {region: ",".join(host for _, host in sorted(found)) for region, found in hosts.items()}
    home = {secret["arn"] for secret in of_type(resources, "aws_secretsmanager_secret").values()}
    groups = {(group["region"], group["name"]) for group in of_type(resources, "aws_cloudwatch_log_group").values()}

    for address, (region, container) in task_containers(resources).items():
        environment = {entry["name"]: entry["value"] for entry in container["environment"]}
        report.equal(f"{root}: {address} runs the image by digest", container["image"], IMAGE)
        report.equal(f"{root}: {address} knows its own region's databases, the primary first", environment["DB_HOSTS"], hosts[region])
        far = ",".join(found for other, found in sorted(hosts.items()) if other != region)
        report.equal(f"{root}: {address} knows the other region's databases", environment.get("DB_FAR_HOSTS", ""), far)
        report.equal(f"{root}: {address} verifies the database's certificate", environment["DB_SSLMODE"], "verify-full")

        from_secrets = {entry["name"]: entry["valueFrom"] for entry in container["secrets"]}
        report.equal(f"{root}: {address} takes exactly these from the secret store", set(from_secrets), {"DB_USER", "DB_PASSWORD", "APP_SECRET_KEY", "ADMIN_TOKEN"})
        references = [*from_secrets.values(), container["repositoryCredentials"]["credentialsParameter"]]
        report.none(f"{root}: {address} reads secrets of its own region alone", [ref for ref in references if f":secretsmanager:{region}:" not in ref])
        bare = {":".join(reference.split(":")[:7]) for reference in references}
        report.none(
            f"{root}: {address} names the home region's secrets, region exchanged",
            [arn for arn in bare if not any(arn.split(":secret:")[1] == secret.split(":secret:")[1] for secret in home)],
        )
        report.none(f"{root}: {address} has no secret in its plain environment", [name for name in environment if re.search("PASSWORD|TOKEN|SECRET_KEY", name)])
        log = container["logConfiguration"]["options"]
        report.check(f"{root}: {address} logs into its region's group", (log["awslogs-region"], log["awslogs-group"]) in groups and log["awslogs-region"] == region)


# ----------------------------------------------------------------------------------------------------------------------
# Two regions: checks, records, latches
# ----------------------------------------------------------------------------------------------------------------------

def fail_over_dns(report, resources):
    checks = {
        address.split("aws_route53_health_check.")[1]: values
        for address, values in of_type(resources, "aws_route53_health_check").items()
    }
    balancers = {address.split(".")[1][-1]: balancer["dns_name"] for address, balancer in of_type(resources, "aws_lb").items()}
    for letter in "ab":
        deep, latch, ok = (checks[f'{kind}["{letter}"]'] for kind in ("deep", "latch", "region_ok"))
        report.equal(f"dns: deep[{letter}] asks region {letter}'s own load balancer", deep["fqdn"], balancers[letter])
        report.equal(
            f"dns: deep[{letter}] asks /health/deep every 10 s, three times",
            (deep["type"], deep["resource_path"], deep["request_interval"], deep["failure_threshold"], bool(deep["invert_healthcheck"]), deep["enable_sni"]),
            ("HTTPS", "/health/deep", 10, 3, False, True),
        )
        report.equal(
            f"dns: latch[{letter}] is inverted and as fast",
            (latch["type"], latch["resource_path"], latch["request_interval"], latch["failure_threshold"], latch["invert_healthcheck"]),
            ("HTTPS", f"/away-from-{letter}", 10, 3, True),
        )
        report.equal(f"dns: region_ok[{letter}] is both of them", (ok["type"], ok["child_health_threshold"], set(ok["child_healthchecks"])), ("CALCULATED", 2, {deep["id"], latch["id"]}))

    records = of_type(resources, "aws_route53_record")
    primary, secondary = (records[f'module.global.aws_route53_record.{name}["this"]'] for name in ("primary", "secondary"))
    report.equal("dns: the primary hangs on region_ok of the active region", primary["health_check_id"], checks['region_ok["a"]']["id"])
    report.equal("dns: the secondary hangs on the pilot's latch alone", secondary["health_check_id"], checks['latch["b"]']["id"])
    report.equal("dns: the validation record exists once", len([a for a in records if ".validation" in a]), 1)

    # The latch works only if its bucket lets anyone read one key, and nobody list.
    buckets = of_type(resources, "aws_s3_bucket")
    bucket_policies = of_type(resources, "aws_s3_bucket_policy")
    operator = next(role["arn"] for address, role in of_type(resources, "aws_iam_role").items() if ".operator[" in address)
    for letter in "ab":
        bucket = buckets[f'module.global.module.latch["{letter}"].aws_s3_bucket.this']
        other_region = {"a": "eu-central-1", "b": "eu-west-1"}[letter]
        report.equal(f"dns: the latch of {letter} is in the other region", bucket["region"], other_region)
        statements = json.loads(bucket_policies[f'module.global.module.latch["{letter}"].aws_s3_bucket_policy.this']["policy"])["Statement"]
        allowed = [s for s in statements if s["Effect"] == "Allow"]
        report.equal(
            f"dns: anyone may read the latch of {letter} and do nothing else",
            [(s["Action"], s["Resource"]) for s in allowed], [("s3:GetObject", f"{bucket['arn']}/away-from-{letter}")],
        )
        writers = [s for s in statements if s["Effect"] == "Deny" and "s3:PutObject" in s["Action"]]
        report.equal(
            f"dns: only the operator's role may write the latch of {letter}",
            [(s["Condition"], sorted(s["Action"])) for s in writers],
            [({"ArnNotEquals": {"aws:PrincipalArn": operator}}, ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"])],
        )

    routes = {(r["region"], r["destination_cidr_block"]) for a, r in of_type(resources, "aws_route").items() if ".peering[" in a}
    report.equal("peering: each region knows the way to the other", routes, {("eu-west-1", "10.20.0.0/16"), ("eu-central-1", "10.10.0.0/16")})
