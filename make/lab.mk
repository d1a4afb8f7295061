# The lab: terraform/single-region made real on this machine. Root; `hello-lab preflight` names what is missing.
TEST_TARGETS += test-lab

LAB_ROUNDS ?= 10

.PHONY: lab lab-down test-lab soak
lab: image ## Build the whole diagram on this machine: https://hello.localhost:8443 (root)
	cargo build --release --locked -p hello-lab
	target/release/hello-lab up --image target/image

lab-down: ## End the lab and leave nothing behind (root)
	target/release/hello-lab down

test-lab: image ## Test the whole lab: every arrow, what breaks, a daemon that is killed (root)
	HELLO_LAB_ROUNDS=$(LAB_ROUNDS) cargo test --locked -p hello-lab --test system

soak: image ## Kill the lab's daemon at 100 random moments of applies and destroys (root)
	HELLO_LAB_ROUNDS=100 cargo test --locked -p hello-lab --test system interruption
