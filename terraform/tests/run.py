#!/usr/bin/env python3
"""Proves the configuration without AWS. Each line is one check; the last line counts them.

    terraform/tests/run.py                 everything (as `make terraform-test`)
    terraform/tests/run.py plan state      only these parts
    terraform/tests/run.py --accept        also rewrites what is reviewed as text: expected policies, tables in READMEs

Parts: format, validate, test, plan, state, failover, trial, mutation, documents, lint.
"""

import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import documents_checks
import failover_checks
import lint_checks
import mutation_checks
import plan_checks
import state_checks
import trial_checks
from harness import ROOTS, SCRATCH, TERRAFORM, Report, Workspace, state_resources, terraform_environment

PARTS = ["format", "validate", "test", "plan", "state", "failover", "trial", "mutation", "documents", "lint"]
DIRECTORIES = ["modules/bucket", "modules/region", "modules/global", "single-region", "multi-region", "bootstrap"]


def terraform(*arguments, folder=TERRAFORM, seconds=900):
    """Runs terraform; one that takes longer than `seconds` counts as failed and says so."""
    try:
        return subprocess.run(
            ["terraform", *arguments], cwd=folder, env=terraform_environment(), capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        so_far = (late.stdout or b"").decode()
        return subprocess.CompletedProcess(late.cmd, 1, so_far, f"terraform {' '.join(arguments)} did not end within {seconds} s.")


def formatted(report):
    result = terraform("fmt", "-check", "-recursive", "-diff")
    report.check("format: terraform fmt has nothing to change", result.returncode == 0, result.stdout + result.stderr)


def valid(report):
    for directory in DIRECTORIES:
        folder = TERRAFORM / directory
        terraform("get", folder=folder)
        result = terraform("validate", "-no-color", folder=folder)
        report.check(f"validate: {directory}", result.returncode == 0, result.stdout + result.stderr)


def tested(report):
    """`terraform test` for each file, two at a time; each run is a check of its own."""
    files = [(directory, file) for directory in DIRECTORIES for file in sorted((TERRAFORM / directory / "tests").glob("*.tftest.hcl"))]

    def run(test):
        directory, file = test
        folder = TERRAFORM / directory
        if file.name == "variables.tftest.hcl":
            # Rules on variables need nothing else, and hundreds of plans would take minutes.
            folder = SCRATCH / "variables" / directory
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "tests").mkdir(parents=True)
            shutil.copy(TERRAFORM / directory / "variables.tf", folder)
            shutil.copy(file, folder / "tests")
        # A run that plans takes a second on an idle machine; a busy one gets time.
        return terraform("test", "-no-color", f"-filter=tests/{file.name}", folder=folder, seconds=3600)

    with ThreadPoolExecutor(max_workers=2) as pool:
        for (directory, file), result in zip(files, pool.map(run, files)):
            runs = re.findall(r'run "(\w+)"\.\.\. (\w+)', result.stdout)
            for name, outcome in runs:
                report.check(f"test: {directory}: {name.replace('_', ' ')}", outcome == "pass", "" if outcome == "pass" else outcome)
            if result.returncode != 0 or not runs:
                report.check(f"test: {directory}/tests/{file.name} ran to its end", False, result.stdout + result.stderr)


def proved(report, parts, accept):
    """Plans, applies (recorded) and fail-overs of the roots. Returns the rendered policies and the tasks' settings."""
    policies, settings = {}, set()
    for root in ROOTS:
        workspace = Workspace(root)
        if "plan" in parts:
            plan_checks.check(report, root, workspace.plan())
        if not parts & {"state", "failover", "documents", "lint"}:
            continue
        workspace.apply()
        resources = state_resources(workspace.state())
        settings |= state_checks.environment_names(resources)
        policies.update({f"{root}: {address}": policy for address, policy in state_checks.raw_policies(resources).items()})
        if "state" in parts:
            state_checks.check(report, root, workspace, accept)
        if "failover" in parts and root == "multi-region":
            failover_checks.check(report, workspace)
    if parts & {"plan", "state", "lint"}:
        bootstrap = Workspace("bootstrap", {"github_repository": "hello-you/hello-you"})
        if "plan" in parts:
            plan_checks.buckets(report, "bootstrap", bootstrap.plan().resources())
        bootstrap.apply()
        resources = state_resources(bootstrap.state())
        policies.update({f"bootstrap: {address}": policy for address, policy in state_checks.raw_policies(resources).items()})
        if "state" in parts:
            state_checks.reviewed(report, "bootstrap", resources, accept)
    return policies, settings


def main(arguments):
    accept = "--accept" in arguments
    parts = {argument for argument in arguments if not argument.startswith("-")} or set(PARTS)
    unknown = parts - set(PARTS)
    if unknown:
        raise SystemExit(f"There is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}.")

    if not shutil.which("terraform"):
        raise SystemExit("The proofs need Terraform 1.11 or newer on the PATH: https://developer.hashicorp.com/terraform/install")

    report = Report()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if "format" in parts:
        formatted(report)
    if "validate" in parts:
        valid(report)
    if "test" in parts:
        tested(report)
    policies, settings = proved(report, parts, accept) if parts & {"plan", "state", "failover", "documents", "lint"} else ({}, set())
    if "trial" in parts:
        trial_checks.check(report)
    if "mutation" in parts:
        mutation_checks.check(report)
    if "documents" in parts:
        documents_checks.check(report, settings, accept)
    if "lint" in parts:
        lint_checks.check(report, policies)
    print(f"finished in {time.monotonic() - started:.0f} s")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
