"""What every proof uses: a report that counts, and a copy of the configuration to run terraform in.

Nothing here talks to AWS: the provider is the project's own (`make provider`), named by TF_CLI_CONFIG_FILE.
"""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

TERRAFORM = Path(__file__).resolve().parent.parent
REPOSITORY = TERRAFORM.parent
SCRATCH = REPOSITORY / "target" / "terraform"

# Planted where real secrets go; it must turn up nowhere.
PLANTED_TOKEN = "planted-token-6f1d0c2e"

IMAGE = "ghcr.io/hello-you/hello-you@sha256:" + "0123456789abcdef" * 4

COMMON_VARIABLES = {
    "environment": "production",
    "image": IMAGE,
    "github_user": "octo",
    "github_token": PLANTED_TOKEN,
    "admin_cidr": "203.0.113.7/32",
    "admin_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ",
    "domain": "hello.example.com",
    "alarm_email": "ops@example.com",
    "nat_gateway_per_az": "true",
    "waf": "true",
    "interface_endpoints": '["logs", "secretsmanager"]',
}

ROOTS = {
    "single-region": {},
    # Both readers, so that the rebuild of a region has one to rebuild.
    "multi-region": {"read_replica": "{ a = true, b = true }"},
}


class Report:
    """Prints a line for each check and keeps count; a silent one only remembers what failed."""

    def __init__(self, silent=False):
        self.passed = 0
        self.failed = 0
        self.silent = silent
        self.failures = []

    def check(self, what, right, detail=""):
        if right:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(what)
        if self.silent:
            return bool(right)
        if right:
            print(f"ok    {what}", flush=True)
        else:
            print(f"FAIL  {what}", flush=True)
            for line in str(detail).splitlines()[-40:]:
                print(f"      {line}", flush=True)
        return bool(right)

    def equal(self, what, found, expected):
        detail = "" if found == expected else difference(found, expected)
        return self.check(what, found == expected, detail)

    def none(self, what, offenders):
        return self.check(what, not offenders, "\n".join(str(offender) for offender in offenders))


def difference(found, expected):
    if isinstance(found, dict) and isinstance(expected, dict):
        lines = []
        for key in sorted(set(found) | set(expected), key=str):
            if found.get(key) != expected.get(key):
                lines.append(f"{key}: found {found.get(key)!r}, expected {expected.get(key)!r}")
        return "\n".join(lines)
    return f"found {found!r}\nexpected {expected!r}"


class Workspace:
    """A copy of terraform/ in which one root is planned and applied, state included.

    `edits` are (file, text, other text): a copy that is wrong on purpose.
    """

    def __init__(self, root, variables=None, name=None, edits=()):
        self.root = root
        self.base = SCRATCH / (name or root)
        shutil.rmtree(self.base, ignore_errors=True)
        ignore = shutil.ignore_patterns(".terraform*", "*.tfstate*", "tests", "__pycache__")
        shutil.copytree(TERRAFORM, self.base / "terraform", ignore=ignore)
        for file, text, other in edits:
            path = self.base / "terraform" / file
            before = path.read_text()
            if text not in before:
                raise SystemExit(f"{file} has no text {text!r} to change; bring terraform/tests/mutation_checks.py up to date.")
            path.write_text(before.replace(text, other, 1))
        self.folder = self.base / "terraform" / root
        self.variables = {**COMMON_VARIABLES, **ROOTS.get(root, {}), **(variables or {})}
        self.state_file = self.folder / "terraform.tfstate"
        self.run("get")

    def run(self, *arguments, variables=None, ok=True):
        """Runs terraform; returns its output. A failure that was not expected ends the proof with that output."""
        environment = terraform_environment(self.base)
        for name, value in {**self.variables, **(variables or {})}.items():
            environment[f"TF_VAR_{name}"] = value
        result = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
        )
        output = result.stdout + result.stderr
        if ok and result.returncode != 0:
            error = output.find("\nError: ")
            raise SystemExit(f"terraform {' '.join(arguments)} in {self.root} failed:\n{output[max(error, 0):]}")
        return output

    def plan(self, *arguments, variables=None):
        """Plans; returns the plan as JSON, with the plan file beside it for those who look for secrets."""
        file = self.base / "plan.tfplan"
        output = self.run("plan", "-no-color", "-input=false", f"-out={file}", *arguments, variables=variables)
        plan = json.loads(self.run("show", "-json", str(file)))
        return Plan(plan, output, file)

    def apply(self, *arguments, variables=None):
        return self.run("apply", "-no-color", "-input=false", "-auto-approve", *arguments, variables=variables)

    def state(self):
        return json.loads(self.state_file.read_text())

    def edit_state(self, change):
        """Changes attributes as an event outside Terraform would; `change(address, attributes)` for each instance."""
        state = self.state()
        state["serial"] += 1
        for resource in state["resources"]:
            for instance in resource["instances"]:
                change(address_of(resource, instance), instance["attributes"])
        self.state_file.write_text(json.dumps(state, indent=2))


class Plan:
    def __init__(self, plan, output, file):
        self.json = plan
        self.output = output
        self.file = file

    def changes(self):
        """Address -> actions, for what is not left alone."""
        return {
            change["address"]: change["change"]["actions"]
            for change in self.json.get("resource_changes", [])
            if change["change"]["actions"] not in (["no-op"], ["read"])
        }

    def destroyed(self):
        return sorted(address for address, actions in self.changes().items() if "delete" in actions)

    def resources(self):
        """Planned values of every managed resource: address -> (type, values)."""
        return {
            resource["address"]: (resource["type"], resource["values"])
            for resource in walk(self.json["planned_values"]["root_module"])
            if resource["mode"] == "managed"
        }

    def raw(self):
        """Everything in the plan file, uncompressed."""
        with zipfile.ZipFile(self.file) as archive:
            return b"".join(archive.read(name) for name in archive.namelist())


def walk(module):
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from walk(child)


def address_of(resource, instance):
    address = f"{resource['type']}.{resource['name']}"
    if resource.get("module"):
        address = f"{resource['module']}.{address}"
    key = instance.get("index_key")
    return address if key is None else f"{address}[{json.dumps(key)}]"


def state_resources(state):
    """Address -> (type, attributes) of every managed resource in a state file."""
    return {
        address_of(resource, instance): (resource["type"], instance["attributes"])
        for resource in state["resources"] if resource["mode"] == "managed"
        for instance in resource["instances"]
    }


def of_type(resources, wanted):
    return {address: values for address, (kind, values) in resources.items() if kind == wanted}


def terraform_environment(scratch=None):
    """Offline and unattended. With a folder, the provider records an apply there instead of refusing it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_VAR_", "AWS_"))}
    environment.setdefault("TF_CLI_CONFIG_FILE", str(REPOSITORY / "target" / "provider" / "dev.tfrc"))
    environment.update({
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "NO_COLOR": "1",
    })
    if scratch:
        environment.update({"HELLO_PROVIDER_APPLY": "record", "HELLO_PROVIDER_RECORD": str(scratch / "record.jsonl")})
    return environment
