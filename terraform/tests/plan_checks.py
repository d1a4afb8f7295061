"""What a first plan of each root says: who can be reached from where, what is private, encrypted, named and sized."""

import json

from harness import PLANTED_TOKEN, of_type


def check(report, root, plan):
    resources = plan.resources()
    report.check(f"{root}: the plan only makes things", all(actions == ["create"] for actions in plan.changes().values()))
    network(report, root, resources)
    databases(report, root, resources)
    names(report, root, resources)
    regions(report, root, resources, plan)
    secrets(report, root, plan)
    encryption(report, root, resources)
    buckets(report, root, resources)
    alarms(report, root, resources, plan)
    if root == "multi-region":
        two_regions(report, resources)


def open_to_all(rule):
    return rule.get("cidr_ipv4") == "0.0.0.0/0" or rule.get("cidr_ipv6") == "::/0"


def covers(rule, port):
    if rule["ip_protocol"] == "-1":
        return True
    return rule["from_port"] <= port <= rule["to_port"]


def network(report, root, resources):
    ingress = of_type(resources, "aws_vpc_security_group_ingress_rule")
    for port, what in ((22, "ssh"), (5432, "PostgreSQL"), (9090, "the private listener"), (8080, "the tasks")):
        report.none(
            f"{root}: {what} is open to 0.0.0.0/0 nowhere",
            [address for address, rule in ingress.items() if open_to_all(rule) and covers(rule, port)],
        )

    report.none(
        f"{root}: only the load balancer lets the internet in",
        [address for address, rule in ingress.items() if open_to_all(rule) and ".alb_http" not in address],
    )
    report.equal(
        f"{root}: ssh comes from exactly one address",
        {rule["cidr_ipv4"] for rule in ingress.values() if covers(rule, 22)},
        {"203.0.113.7/32"},
    )
    report.none(
        f"{root}: no security group has rules written into it, which would fight with the rules beside it",
        [address for address, group in of_type(resources, "aws_security_group").items() if group.get("ingress") or group.get("egress")],
    )

    egress = of_type(resources, "aws_vpc_security_group_egress_rule")
    report.none(
        f"{root}: the only way out to the internet is HTTPS",
        [address for address, rule in egress.items() if open_to_all(rule) and (rule["from_port"], rule["to_port"]) != (443, 443)],
    )
    report.none(
        f"{root}: databases begin no connection",
        [address for address in egress if ".database_" in address],
    )

    report.none(
        f"{root}: no subnet gives out public addresses",
        [address for address, subnet in of_type(resources, "aws_subnet").items() if subnet["map_public_ip_on_launch"]],
    )
    public = [address for address, instance in of_type(resources, "aws_instance").items() if instance["associate_public_ip_address"]]
    report.check(f"{root}: the only public instance is the bastion", public and all("bastion" in address for address in public), public)
    report.none(
        f"{root}: tasks have no public address",
        [
            address for address, service in of_type(resources, "aws_ecs_service").items()
            if service["network_configuration"][0]["assign_public_ip"]
        ],
    )
    report.none(
        f"{root}: addresses are reserved for NAT gateways alone",
        [address for address in of_type(resources, "aws_eip") if ".nat[" not in address],
    )
    report.none(
        f"{root}: nothing but the load balancer faces the internet",
        [address for address, balancer in of_type(resources, "aws_lb").items() if balancer["internal"] or not address.endswith("aws_lb.this")],
    )


def databases(report, root, resources):
    instances = of_type(resources, "aws_db_instance")
    report.none(f"{root}: every database is private", [a for a, db in instances.items() if db.get("publicly_accessible") is not False])
    report.none(f"{root}: every database is encrypted", [a for a, db in instances.items() if db.get("storage_encrypted") is not True])
    report.none(f"{root}: every database has backups", [a for a, db in instances.items() if not db["backup_retention_period"]])
    for what in ("instance_class", "engine_version", "storage_type", "parameter_group_name", "ca_cert_identifier", "max_allocated_storage"):
        report.equal(f"{root}: all databases have the same {what}", len({db[what] for db in instances.values()}), 1)

    windows = [(db["region"], db["backup_window"]) for db in instances.values()]
    report.check(f"{root}: no two databases back up at the same time", len({window for _, window in windows}) == len(windows), windows)

    groups = of_type(resources, "aws_db_parameter_group")
    parameters = {
        address: {parameter["name"]: (parameter["value"], parameter["apply_method"]) for parameter in group["parameter"]}
        for address, group in groups.items()
    }
    report.none(f"{root}: TLS is forced", [a for a, group in parameters.items() if group["rds.force_ssl"][0] != "1"])
    report.equal(f"{root}: all parameter groups are equal", len({json.dumps(group, sort_keys=True) for group in parameters.values()}), 1)

    readers = {address: db for address, db in instances.items() if ".replica[" in address}
    report.none(
        f"{root}: in-region readers have neither key, subnet group, password nor final snapshot of their own",
        [
            address for address, db in readers.items()
            if db.get("kms_key_id") or db.get("db_subnet_group_name") or db.get("password_wo_version") or not db["skip_final_snapshot"]
        ],
    )
    report.none(
        f"{root}: each reader is in another zone than its source",
        [
            address for address, db in readers.items()
            if db["availability_zone"] == instances[address.replace('.replica["this"]', ".primary")]["availability_zone"]
        ],
    )


GLOBAL_NAMES = {
    "aws_iam_role": "name",
    "aws_iam_instance_profile": "name",
    "aws_iam_policy": "name",
    "aws_s3_bucket": "bucket",
    "aws_cloudwatch_dashboard": "dashboard_name",
}

# Limits of AWS that a too long name would meet only at apply.
LONGEST = {
    "aws_lb": ("name", 32), "aws_lb_target_group": ("name", 32), "aws_s3_bucket": ("bucket", 63), "aws_iam_role": ("name", 64),
    "aws_db_instance": ("identifier", 63), "aws_cloudwatch_metric_alarm": ("alarm_name", 255),
}


def names(report, root, resources):
    for kind, attribute in GLOBAL_NAMES.items():
        found = [values[attribute] for values in of_type(resources, kind).values()]
        report.check(f"{root}: global names of {kind} are unique", len(found) == len(set(found)), sorted(found))

    for kind, (attribute, limit) in LONGEST.items():
        report.none(f"{root}: names of {kind} fit into {limit} characters", [v[attribute] for v in of_type(resources, kind).values() if len(v[attribute]) > limit])

    for kind in ("aws_cloudwatch_metric_alarm", "aws_cloudwatch_log_group", "aws_db_instance", "aws_lb", "aws_security_group"):
        attribute = {"aws_cloudwatch_metric_alarm": "alarm_name", "aws_db_instance": "identifier"}.get(kind, "name")
        found = [(values["region"], values[attribute]) for values in of_type(resources, kind).values()]
        report.check(f"{root}: names of {kind} are unique in each region", len(found) == len(set(found)), sorted(found))


# What has no region in AWS.
GLOBAL_SERVICES = ("aws_iam_", "aws_route53_")


def home(address):
    """The region of the module that an address is in; None for what belongs to no region."""
    return {"region": "eu-west-1", "region_a": "eu-west-1", "region_b": "eu-central-1"}.get(address.split(".")[1])


def regions(report, root, resources, plan):
    report.none(
        f"{root}: every regional resource names its region",
        [
            address for address, (kind, values) in resources.items()
            if kind.startswith("aws_") and not kind.startswith(GLOBAL_SERVICES) and not values.get("region")
        ],
    )
    report.none(
        f"{root}: what a region's module makes is in that region",
        [
            address for address, (_, values) in resources.items()
            if home(address) and values.get("region", home(address)) != home(address)
        ],
    )
    # By name, not by the provider's default: the expression must be there.
    missing = []

    def look(module, calls):
        for resource in module.get("resources", []):
            kind = resource["type"]
            if resource["mode"] == "managed" and kind.startswith("aws_") and not kind.startswith(GLOBAL_SERVICES):
                if "region" not in resource["expressions"]:
                    missing.append(f"{calls}{resource['address']}")
        for name, call in module.get("module_calls", {}).items():
            look(call["module"], f"{calls}module.{name}.")

    look(plan.json["configuration"]["root_module"], "")
    report.none(f"{root}: every regional resource says `region =` itself", missing)


def secrets(report, root, plan):
    text = json.dumps(plan.json)
    report.check(f"{root}: the planted token is nowhere in the plan's JSON", PLANTED_TOKEN not in text)
    report.check(f"{root}: nor anywhere in the plan file", PLANTED_TOKEN.encode() not in plan.raw())
    report.check(f"{root}: nor in what terraform prints", PLANTED_TOKEN not in plan.output)
    report.none(
        f"{root}: no resource takes a secret other than write-only",
        [
            f"{address}: {attribute}"
            for address, (_, values) in plan.resources().items()
            for attribute in ("password", "secret_string", "secret_binary")
            if values.get(attribute)
        ],
    )


def encryption(report, root, resources):
    report.none(
        f"{root}: every log group is kept for a limited time",
        [a for a, group in of_type(resources, "aws_cloudwatch_log_group").items() if not group["retention_in_days"]],
    )
    report.none(
        f"{root}: every key rotates",
        [a for a, key in of_type(resources, "aws_kms_key").items() if not key["enable_key_rotation"]],
    )


# What may read or write there cannot use a KMS key: the load balancers, Route 53's checkers; and the lease need not.
WITHOUT_KEY = (".alb_logs.", ".latch[", ".witness[")


def buckets(report, root, resources):
    """Private, versioned, encrypted, without access lists; the latches let a policy in, and nothing else does."""
    found = of_type(resources, "aws_s3_bucket")
    parts = {}
    for kind in (
        "aws_s3_bucket_public_access_block", "aws_s3_bucket_server_side_encryption_configuration", "aws_s3_bucket_policy", "aws_s3_bucket_versioning",
        "aws_s3_bucket_ownership_controls", "aws_s3_bucket_lifecycle_configuration",
    ):
        parts[kind] = {address.replace(kind, "aws_s3_bucket"): values for address, values in of_type(resources, kind).items()}
        report.equal(f"{root}: every bucket has its {kind}", set(parts[kind]), set(found))
        report.none(f"{root}: and that is in the bucket's region", [address for address, values in parts[kind].items() if values["region"] != found[address]["region"]])

    for address, block in parts["aws_s3_bucket_public_access_block"].items():
        latch = ".latch[" in address
        report.equal(
            f"{root}: {address} is {'open to its policy alone' if latch else 'private'}",
            [block[name] for name in ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets")],
            [True, True, not latch, not latch],
        )
    report.none(
        f"{root}: old versions can be brought back",
        [address for address, values in parts["aws_s3_bucket_versioning"].items() if values["versioning_configuration"][0]["status"] != "Enabled"],
    )
    algorithms = {
        address: default["sse_algorithm"]
        for address, values in parts["aws_s3_bucket_server_side_encryption_configuration"].items()
        for rule in values["rule"] for default in rule["apply_server_side_encryption_by_default"]
    }
    report.equal(
        f"{root}: a key encrypts every bucket that can have one",
        algorithms, {address: "AES256" if any(part in address for part in WITHOUT_KEY) else "aws:kms" for address in found},
    )
    report.none(f"{root}: no bucket goes with what is in it", [address for address, bucket in found.items() if bucket["force_destroy"]])


def alarms(report, root, resources, plan):
    """Each alarm of the table is there for each region and each database instance."""
    found = {(alarm["region"], alarm["alarm_name"]) for alarm in of_type(resources, "aws_cloudwatch_metric_alarm").values()}
    expected = set()
    for database in of_type(resources, "aws_db_instance").values():
        for what in ("cpu", "storage", "connections", "lag", "slow-queries"):
            expected.add((database["region"], f"{database['identifier']}-{what}"))
    for service in of_type(resources, "aws_ecs_service").values():
        for what in (
            "service-cpu", "service-memory", "running-below-desired", "alb-5xx", "target-5xx", "latency-p99", "unhealthy-hosts", "none-healthy",
            "bastion-ssh",
        ):
            expected.add((service["region"], f"{service['name']}-{what}"))
    if root == "multi-region":
        for letter in "ab":
            for what in ("deep", "latch", "region-ok"):
                expected.add(("us-east-1", f"hello-you-production-{what}-{letter}"))
    report.equal(f"{root}: the alarms are exactly those of the table", found, expected)


def two_regions(report, resources):
    vpcs = of_type(resources, "aws_vpc")
    report.equal("multi-region: two VPCs with distinct ranges", sorted(vpc["cidr_block"] for vpc in vpcs.values()), ["10.10.0.0/16", "10.20.0.0/16"])
    targets = of_type(resources, "aws_appautoscaling_target")
    report.equal(
        "multi-region: exactly one region is active, and both can grow as far",
        {address.split(".")[1]: (target["min_capacity"], target["max_capacity"]) for address, target in targets.items()},
        {"region_a": (2, 6), "region_b": (1, 6)},
    )
    report.none(
        "multi-region: no tag says who is active",
        [
            address for address, (_, values) in resources.items()
            for tag in (values.get("tags_all") or values.get("tags") or {}).items()
            if tag[1] in ("active", "pilot", "primary", "secondary", "passive")
        ],
    )
    secrets_made = of_type(resources, "aws_secretsmanager_secret")
    report.equal("multi-region: the secrets are made in the home region alone", {secret["region"] for secret in secrets_made.values()}, {"eu-west-1"})
    report.none(
        "multi-region: and each is replicated to the other",
        [address for address, secret in secrets_made.items() if [replica["region"] for replica in secret["replica"]] != ["eu-central-1"]],
    )
    passwords = {
        address: database.get("password_wo_version")
        for address, database in of_type(resources, "aws_db_instance").items() if address.endswith("primary")
    }
    report.equal(
        "multi-region: only the origin takes a password",
        passwords, {"module.region_a.aws_db_instance.primary": 1, "module.region_b.aws_db_instance.primary": None},
    )
