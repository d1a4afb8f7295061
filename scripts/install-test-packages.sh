#!/usr/bin/env bash
# Installs the Debian packages that the tests need; without root it names those that are missing.
# Terraform is in no Debian package: the tests of the provider and of terraform/ need it on the PATH.
set -euo pipefail

# Program, and the package it comes in.
needed=(
  "/usr/lib/postgresql/*/bin/initdb postgresql"
  "unshare util-linux"
  "python3 python3"
  "nft nftables"
  "git git"
  "curl curl"
  "crun crun"
  "docker-registry docker-registry"
  "haproxy haproxy"
  "openssl openssl"
  "/sbin/mkfs.ext4 e2fsprogs"
  "ip iproute2"
  "chromium chromium"
  "chromedriver chromium-driver"
)
missing=()
for entry in "${needed[@]}"; do
  read -r program package <<<"$entry"
  # shellcheck disable=SC2086 # a pattern is meant to be expanded
  if ! command -v "$program" >/dev/null && ! compgen -G $program >/dev/null; then
    missing+=("$package")
  fi
done
# Virtual environments need more than the interpreter on Debian.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing: ${missing[*]}"
    # Packages must not start servers: the tests start their own.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod +x "$policy"
      trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "missing packages; install them with: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi
if ! command -v terraform >/dev/null; then
  echo "missing: terraform 1.11 or newer, which no Debian package has: see https://developer.hashicorp.com/terraform/install" >&2
  exit 1
fi
