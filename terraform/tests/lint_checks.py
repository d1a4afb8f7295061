"""Other people's rules: checkov on the configuration, parliament on the policies as they are rendered.

Both come from PyPI into a virtual environment under target/, once.
"""

import json
import re
import subprocess
import sys

from harness import REPOSITORY, TERRAFORM

TOOLS = REPOSITORY / "target" / "lint"
# pkg_resources, which parliament imports, left setuptools with version 81.
PACKAGES = ["checkov==3.3.30", "parliament==1.6.4", "setuptools<81"]

# What parliament says of any policy of a kind, and why it is no finding there.
NOT_A_FINDING = {
    # In a key policy `*` is the key itself.
    ("aws_kms_key", "RESOURCE_STAR"),
    # AWS's own policy for log groups has the encryption context beside kms:Describe*, to which it does not apply.
    ("aws_kms_key", "UNKNOWN_CONDITION_FOR_ACTION"),
    # The encryption context is text to IAM; it holds an ARN, with a wildcard.
    ("aws_kms_key", "MISMATCHED_TYPE"),
    # A trust policy has no resource.
    ("aws_iam_role", "RESOURCE_STAR"),
    # The statement says why: see the policy's comment. The wildcards themselves are counted in state_checks.py.
    ("aws_iam_role_policy", "RESOURCE_STAR"),
    # Who applies writes the policies of the system's buckets, and so could let itself in; state and trail are denied to it.
    ("aws_iam_role_policy", "RESOURCE_POLICY_PRIVILEGE_ESCALATION"),
}

# What parliament's table is older than, or does not hold.
KNOWN = {
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html has log-group.
    "logs:DescribeLogGroups",
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    "s3:if-none-match", "s3:if-match",
    # GitHub's identity provider and its keys: https://docs.github.com/en/actions/reference/security/oidc
    "token.actions.githubusercontent.com",
}


def prepare():
    wanted = "\n".join(PACKAGES)
    stamp = TOOLS / "packages"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", TOOLS], capture_output=True, text=True, timeout=300)
    if made.returncode != 0:
        raise SystemExit(f"A Python environment for checkov and parliament cannot be made; on Debian: apt-get install python3-venv\n{made.stdout}{made.stderr}")
    subprocess.run([TOOLS / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True, timeout=600)
    stamp.write_text(wanted)


def check(report, policies):
    prepare()
    checkov(report)
    skips(report)
    parliament(report, policies)


def checkov(report):
    result = subprocess.run(
        [TOOLS / "bin" / "checkov", "--directory", TERRAFORM, "--framework", "terraform", "--compact", "--quiet", "--skip-download", "--output", "json"],
        capture_output=True, text=True, timeout=600,
    )
    try:
        found = json.loads(result.stdout)
    except ValueError:
        report.check("checkov runs", False, result.stdout + result.stderr)
        return
    found = found if isinstance(found, list) else [found]
    failures = [f"{c['check_id']} {c['file_path']} {c['resource']}: {c['check_name']}" for part in found for c in part["results"]["failed_checks"]]
    passed = sum(part["summary"]["passed"] for part in found)
    report.check(f"checkov: {passed} checks pass", passed > 500, found)
    report.none("checkov: none fails", failures)
    report.equal("checkov: every file is understood", sum(part["summary"]["parsing_errors"] for part in found), 0)


def skips(report):
    unexplained = []
    for file in sorted(TERRAFORM.rglob("*.tf")):
        if ".terraform" in file.parts:
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if "checkov:skip" in line and not re.search(r"# checkov:skip=CKV2?_AWS_\d+:\S.{20,}", line):
                unexplained.append(f"{file.relative_to(TERRAFORM)}:{number}: {line.strip()}")
    report.none("checkov: every skip has its reason", unexplained)


LINTER = """
import json, sys
from parliament import analyze_policy_string
found = []
for address, policy in json.load(sys.stdin).items():
    document = json.loads(policy)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    for statement in statements:
        # A trust policy has no resource, which parliament asks for.
        statement.setdefault("Resource", "*")
    document["Statement"] = statements
    for finding in analyze_policy_string(json.dumps(document)).findings:
        found.append([address, finding.issue, str(finding.detail)])
json.dump(found, sys.stdout)
"""


def parliament(report, policies):
    result = subprocess.run([TOOLS / "bin" / "python", "-W", "ignore", "-c", LINTER], input=json.dumps(policies), capture_output=True, text=True, timeout=600)
    if not report.check(f"parliament: reads {len(policies)} policies", result.returncode == 0, result.stderr):
        return
    findings = []
    for address, issue, detail in json.loads(result.stdout):
        kind = re.search(r"(aws_\w+)\.", address.rsplit("module.", 1)[-1]).group(1)
        if (kind, issue) in NOT_A_FINDING or any(known in detail for known in KNOWN):
            continue
        findings.append(f"{address}: {issue} {detail}")
    report.none("parliament: finds nothing", findings)
