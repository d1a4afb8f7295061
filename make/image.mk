# The container image, from scratch and without Docker: scripts/oci-image says what is in it.
# Naming the target keeps the flag away from build scripts, which cannot be static.
IMAGE_TARGET := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
IMAGE_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

.PHONY: image test-image
image: ## Build the container image as an OCI layout in target/image
	RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked -p hello-you --target $(IMAGE_TARGET)
	@scripts/oci-image target/$(IMAGE_TARGET)/release/hello-you target/image $(IMAGE_VERSION) \
		"$$(git rev-parse HEAD 2>/dev/null || echo unknown)"

TEST_TARGETS += test-image
test-image: image ## Test the image: what is in it, and that it runs with nothing around it (root)
	scripts/test-image
