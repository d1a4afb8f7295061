# Everything that can be done with this repository. `make help` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Tests that parts of the repository add: each part's file in make/ appends its target.
TEST_TARGETS :=
include $(wildcard make/*.mk)

.PHONY: help run test check check-tools test-packages clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  %-16s %s\n", $$1, $$2 }'

check-tools:
	@scripts/check-tools.sh

run: check-tools ## Build the greeting service and serve from an SQLite file on http://127.0.0.1:8080
	cargo run --quiet --release --locked -p hello-you

test: check-tools ## Run all tests; installs the packages they need where it may
	@scripts/run-tests.sh $(TEST_TARGETS)

test-packages: ## Install the Debian packages that the tests need (root), or name those that are missing
	@scripts/install-test-packages.sh

check: check-tools ## Format, lints, documentation, licences: everything that is quick
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p hello-lab --test system --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --locked
	@scripts/check-licences.sh
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; \
	else echo "shellcheck is not installed, so the scripts are not checked; install it with: apt-get install shellcheck"; fi

clean: ## Remove everything that was built
	cargo clean
	cargo clean --manifest-path bench/Cargo.toml
