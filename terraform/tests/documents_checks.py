"""The documents say what the configuration has: tables of variables and outputs, names of settings, links, commands."""

import hashlib
import re

from harness import REPOSITORY, TERRAFORM

MODULES = ["modules/bucket", "modules/region", "modules/global", "single-region", "multi-region", "bootstrap"]
BEGIN = "<!-- variables and outputs: written by terraform/tests/run.py --accept -->"
END = "<!-- end -->"


def check(report, environment_names, accept=False):
    for module in MODULES:
        tables(report, module, accept)
    every_value_is_described(report)
    configuration(report, environment_names)
    links(report)
    pictures(report)
    workflows(report)


# ----------------------------------------------------------------------------------------------------------------------
# Tables
# ----------------------------------------------------------------------------------------------------------------------

def blocks(text, kind):
    """Name -> body of each `kind "name" { ... }` at the left margin; `terraform fmt` guarantees its form."""
    return {match.group(1): match.group(2) for match in re.finditer(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', text, re.M | re.S)}


def attribute(body, name):
    match = re.search(rf"^  {name}\s+= (.*)$", body, re.M)
    return match.group(1) if match else None


def described(body):
    return re.sub(r"\s+", " ", attribute(body, "description").strip('"').replace('\\"', '"')).replace("|", "\\|")


def table(module):
    folder = TERRAFORM / module
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, body in blocks((folder / "variables.tf").read_text(), "variable").items():
        default = attribute(body, "default")
        if default is None:
            default = "required"
        elif default.endswith(("{", "[")):
            default = "see variables.tf"
        else:
            default = f"`{default}`"
        lines.append(f"| `{name}` | {default} | {described(body)} |")
    lines += ["", "| output | what it is |", "|---|---|"]
    for name, body in blocks((folder / "outputs.tf").read_text(), "output").items():
        lines.append(f"| `{name}` | {described(body)} |")
    return "\n".join(lines)


def tables(report, module, accept):
    readme = TERRAFORM / module / "README.md"
    text = readme.read_text() if readme.exists() else ""
    if not report.check(f"documents: {module}/README.md has its tables", BEGIN in text and END in text):
        return
    before, rest = text.split(BEGIN, 1)
    found, after = rest.split(END, 1)
    if accept:
        readme.write_text(f"{before}{BEGIN}\n{table(module)}\n{END}{after}")
        found = table(module)
    report.check(f"documents: the tables of {module}/README.md are up to date", found.strip() == table(module).strip(), "run terraform/tests/run.py --accept")


def every_value_is_described(report):
    for module in MODULES:
        folder = TERRAFORM / module
        variables = blocks((folder / "variables.tf").read_text(), "variable")
        outputs = blocks((folder / "outputs.tf").read_text(), "output")
        report.none(
            f"documents: every variable of {module} has type and description, every output a description",
            [n for n, b in variables.items() if not attribute(b, "type") or not attribute(b, "description")] + [n for n, b in outputs.items() if not attribute(b, "description")],
        )
        tests = "\n".join(file.read_text() for file in (folder / "tests").glob("*.tftest.hcl"))
        report.none(
            f"documents: every rule on a variable of {module} is tested with a bad value",
            [n for n, b in variables.items() if "validation {" in b and tests.count(f"expect_failures = [var.{n}]") < b.count("validation {")],
        )


# ----------------------------------------------------------------------------------------------------------------------
# Settings
# ----------------------------------------------------------------------------------------------------------------------

# Present only when asked for, so no task definition of the proofs need have them.
OPTIONAL = {"DB_CA_PEM", "MIN_TIMELINE"}


def configuration(report, environment_names):
    page = REPOSITORY / "docs" / "CONFIGURATION.md"
    if not report.check("documents: docs/CONFIGURATION.md is there", page.exists()):
        return
    text = page.read_text()
    report.none(
        "documents: docs/CONFIGURATION.md has every name that the task definitions set",
        [name for name in sorted(environment_names | OPTIONAL) if not re.search(rf"\b{name}\b", text)],
    )


# ----------------------------------------------------------------------------------------------------------------------
# Links and pictures
# ----------------------------------------------------------------------------------------------------------------------

PAGES = ["docs/system_diagram.md", "docs/system_diagram_multi-region.md", "docs/RUNBOOK.md", "docs/COST.md", "docs/LIMITATIONS.md", "docs/STYLE.md", "README.md", "terraform/README.md"] + [f"terraform/{module}/README.md" for module in MODULES]


def links(report):
    for name in PAGES:
        page = REPOSITORY / name
        if not report.check(f"documents: {name} is there", page.exists()):
            continue
        broken = []
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if target.startswith(("http://", "https://", "#")):
                continue
            if not (page.parent / target.split("#")[0]).exists():
                broken.append(target)
        report.none(f"documents: the links of {name} lead somewhere", broken)


def pictures(report):
    """Each box of a diagram leads to a file that exists, and the picture is of this text."""
    for name in ("system_diagram", "system_diagram_multi-region"):
        page, picture = (REPOSITORY / "docs" / f"{name}.{kind}" for kind in ("md", "svg"))
        if not report.check(f"documents: docs/{name}.svg is there", page.exists() and picture.exists()):
            continue
        text = re.search(r"^```mermaid\n(.*?)^```", page.read_text(), re.M | re.S).group(1)
        report.check(
            f"documents: docs/{name}.svg is rendered from the text beside it",
            f"<!-- {hashlib.sha256(text.encode()).hexdigest()} -->" in picture.read_text(), "run make diagrams",
        )
        targets = re.findall(r'click \w+ "([^"]+)"', text)
        report.none(f"documents: every box of docs/{name}.md leads to a file", [target for target in targets if not (page.parent / target).exists()] or ([] if targets else ["no box does"]))


# ----------------------------------------------------------------------------------------------------------------------
# Delivery
# ----------------------------------------------------------------------------------------------------------------------

def workflows(report):
    """Who may do what in the workflows that deliver: pinned actions, no rights by default, roles by environment alone."""
    for name in ("image", "terraform-plan", "terraform-apply", "drift"):
        text = (REPOSITORY / ".github" / "workflows" / f"{name}.yml").read_text()
        report.none(
            f"delivery: {name}.yml pins every action by its commit",
            [use for use in re.findall(r"uses: (\S+)", text) if not use.startswith("./") and not re.search(r"@[0-9a-f]{40}$", use)],
        )
        report.check(f"delivery: {name}.yml has no rights that a job does not ask for", "\npermissions: {}\n" in text)
        report.check(f"delivery: {name}.yml never runs a fork's code with the repository's rights", "pull_request_target" not in text)
        jobs = re.split(r"^  (?=\w+:$)", text.split("\njobs:\n", 1)[1], flags=re.M)
        report.none(
            f"delivery: in {name}.yml only jobs of a protected environment get a role",
            [job.split(":")[0] for job in jobs if "id-token: write" in job and not re.search(r"^    environment: (plan|apply)$", job, re.M)],
        )
    plan = (REPOSITORY / ".github" / "workflows" / "terraform-plan.yml").read_text()
    report.check(
        "delivery: a plan with secrets runs for branches of this repository alone", "github.event.pull_request.head.repo.full_name == github.repository" in plan,
    )
