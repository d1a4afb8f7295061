#!/usr/bin/env bash
# Says what is missing to build the project, and how to get it.
set -u
missing=0
need() {
  if ! command -v "$1" >/dev/null; then
    echo "missing: $1 ($2)" >&2
    missing=1
  fi
}
need cargo "Rust 1.90 or newer: install rustup from https://rustup.rs, then 'rustup toolchain install stable'"
need cc "a C compiler: apt-get install build-essential"
exit "$missing"
