#!/usr/bin/env bash
# Checks the licences, sources and versions of all dependencies (deny.toml) with cargo-deny, where it is installed.
# Advisories need the internet and are checked by the workflow.
set -euo pipefail
if ! command -v cargo-deny >/dev/null; then
  echo "cargo-deny is not installed, so licences are left to the workflow; install it with: cargo install --locked cargo-deny"
  exit 0
fi
cargo deny --all-features check bans licenses sources
