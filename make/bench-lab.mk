# The lab's figures: docs/BENCHMARKS.md says what is measured. BENCH_LAB_BINARY and BENCH_LAB_IMAGE name what was built
# elsewhere.

.PHONY: bench-lab
bench-lab: ## Measure the lab beside its targets (root): apply, plan, destroy, memory, idle, requests
ifndef BENCH_LAB_BINARY
	cargo build --release --locked -p hello-lab
endif
ifndef BENCH_LAB_IMAGE
	@$(MAKE) --no-print-directory image
endif
	python3 scripts/bench-lab
