#!/usr/bin/env bash
# Installs schemathesis, which the tests drive the service with, and prints where it is.
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=$PWD/scripts/schemathesis-requirements.txt
tools=${CARGO_TARGET_DIR:-$PWD/target}/tools
mkdir -p "$tools"
# Tests may start this at the same time.
exec 9>"$tools/schemathesis.lock"
flock 9
if ! cmp -s "$requirements" "$tools/schemathesis/installed.txt"; then
  rm -rf "$tools/schemathesis"
  python3 -m venv "$tools/schemathesis" >&2
  "$tools/schemathesis/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$requirements" >&2
  cp "$requirements" "$tools/schemathesis/installed.txt"
fi
echo "$tools/schemathesis/bin/schemathesis"
