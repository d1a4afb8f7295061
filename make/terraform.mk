# Proves terraform/ without AWS: format, validity, every test file, plans, recorded applies, fail-overs, documents,
# checkov and an IAM linter. `provider` (make/provider.mk) builds the project's own AWS provider, which needs no account.

.PHONY: terraform-test
terraform-test: provider ## Prove the Terraform configuration offline
	TF_CLI_CONFIG_FILE=$(CURDIR)/target/provider/dev.tfrc python3 terraform/tests/run.py

.PHONY: diagrams
diagrams: ## Render the Mermaid pictures of docs/ to SVG (needs npm and Chromium)
	scripts/render_diagrams.sh
TEST_TARGETS += terraform-test
