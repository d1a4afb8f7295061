#!/usr/bin/env bash
# Runs all tests, one step after the other, and says how long each took. Arguments: make targets to run at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
began=$SECONDS

step() {
  local name=$1 start=$SECONDS
  shift
  printf '\n==== %s (at %d s)\n' "$name" "$((start - began))"
  "$@"
  printf '==== %s: done in %d s\n' "$name" "$((SECONDS - start))"
}

step "packages" scripts/install-test-packages.sh
# The tests run on Debian's PostgreSQL; on 17 as well where its package can be had.
step "PostgreSQL 17" scripts/fetch-pg17.sh || echo "PostgreSQL 17 cannot be had here; the tests run on the installed versions alone"
step "checks" make --no-print-directory check
step "build of the tests" cargo test --workspace --locked --no-run
step "tests of the Rust code" cargo test --workspace --locked --no-fail-fast
for target in "$@"; do
  step "$target" make --no-print-directory "$target"
done
printf '\nall tests passed in %d s\n' "$((SECONDS - began))"
