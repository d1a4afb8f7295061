# The offline AWS provider: docs/PROVIDER.md.
PROVIDER_DIR := target/provider
# hashicorp/aws and hashicorp/random are served; the others are refused by their name with one sentence.
PROVIDER_NAMES := aws random archive cloudinit external http kubernetes local null template time tls

.PHONY: provider test-provider bench-provider

provider: ## Build the provider and target/provider/dev.tfrc, the CLI configuration that uses it
	cargo build --release --locked -p terraform-provider-aws
	@mkdir -p $(PROVIDER_DIR)
	@cp -f target/release/terraform-provider-aws $(PROVIDER_DIR)/terraform-provider-aws
	@for name in $(filter-out aws,$(PROVIDER_NAMES)); do \
		ln -sfn terraform-provider-aws $(PROVIDER_DIR)/terraform-provider-$$name; done
	@{ echo 'provider_installation {'; echo '  dev_overrides {'; \
	   for name in $(PROVIDER_NAMES); do echo "    \"hashicorp/$$name\" = \"$(CURDIR)/$(PROVIDER_DIR)\""; done; \
	   echo '  }'; echo '  direct {}'; echo '}'; } > $(PROVIDER_DIR)/dev.tfrc
	@echo 'TF_CLI_CONFIG_FILE=$(CURDIR)/$(PROVIDER_DIR)/dev.tfrc'

test-provider: ## The provider's tests, most of them under the real terraform
	cargo test --locked -p terraform-provider-aws

bench-provider: provider ## The provider's figures: time of terraform over 64 resources, start, memory
	python3 scripts/bench-provider
