#!/usr/bin/env python3
"""Makes schemas/aws.json.gz from the published bindings of the AWS provider.

    generate.py BINDINGS OUT

BINDINGS is the unpacked npm package @cdktf/provider-aws; OUT is the file to write. schemas/README.md describes the
layout. The output depends on the package and on the files of this folder: running it twice gives identical bytes.
"""

import gzip
import json
import sys
from pathlib import Path

import wafv2
from bindings import Bindings, provider_schema

# Types whose content the bindings do not describe: `definition` is a value of any type there and a deep block in the
# provider. Offering them would refuse every real configuration, so they are left out.
UNDESCRIBED = {
    "quicksight-analysis",
    "quicksight-dashboard",
    "quicksight-template",
    "data-aws-quicksight-analysis",
}
STATEMENTS = {
    "aws_wafv2_web_acl": wafv2.web_acl_statement,
    "aws_wafv2_rule_group": wafv2.rule_group_statement,
}


def main(bindings: Path, out: Path) -> None:
    package = json.loads((bindings / "package.json").read_text())
    provider = package["cdktf"]["provider"]
    resources, data_sources = {}, {}
    for folder in sorted(p.parent for p in (bindings / "lib").glob("*/index.js")):
        if folder.name == "provider" or folder.name in UNDESCRIBED:
            continue
        parsed = Bindings(folder)
        is_data_source = folder.name.startswith("data-aws-")
        (data_sources if is_data_source else resources)[parsed.type_name] = parsed.schema()
    for name, statement in STATEMENTS.items():
        rule = resources[name]["b"]["rule"][3]
        del rule["a"]["statement"]
        rule["b"]["statement"] = statement()
    additions = json.loads(Path(__file__).with_name("additions.json").read_text())
    add(resources, additions["resources"])
    add(data_sources, additions["data_sources"])
    for kind, types in (("resource", resources), ("data source", data_sources)):
        for name, schema in types.items():
            if '"dynamic"' in json.dumps(schema):
                sys.exit(
                    f"{kind} {name} has a value of any type: describe it by hand or list it in UNDESCRIBED"
                )
    document = {
        "package": f"{package['name']}@{package['version']}",
        "provider_version": provider["version"],
        "provider": provider_schema(bindings / "lib" / "provider"),
        "resources": resources,
        "data_sources": data_sources,
    }
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    out.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    print(
        f"{out}: {len(resources)} resource types, {len(data_sources)} data sources, provider {provider['version']}"
    )


def add(types: dict, additions: dict) -> None:
    """Sensitive attributes and item limits, which the bindings do not tell."""
    for name, known in additions.items():
        for path in known.get("sensitive", []):
            block, last = find(types[name], path)
            block["a"][last][1] += "s"
        for path, (least, most) in known.get("items", {}).items():
            block, last = find(types[name], path)
            block["b"][last][1:3] = [least, most]


def find(block: dict, path: str) -> tuple[dict, str]:
    *outer, last = path.split(".")
    for step in outer:
        block = block["b"][step][3]
    return block, last


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
