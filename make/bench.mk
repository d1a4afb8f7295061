# The benchmark: docs/BENCHMARKS.md says how it measures; BENCH_SECONDS, BENCH_ROUNDS, BENCH_ONLY and
# BENCH_CASES say how much of it runs.

.PHONY: bench
bench: ## Measure the service, its peers and pgbench side by side (about a quarter of an hour)
	cargo run --quiet --release --manifest-path bench/harness/Cargo.toml
