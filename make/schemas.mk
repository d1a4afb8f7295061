# The AWS provider's schemas, from its published TypeScript bindings: crates/terraform-provider-aws/schemas/README.md.
SCHEMAS_PACKAGE := @cdktf/provider-aws@21.22.1

.PHONY: schemas
schemas: ## Regenerate the checked-in AWS schemas (needs npm and python3)
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
	npm pack --silent --pack-destination "$$tmp" $(SCHEMAS_PACKAGE) >/dev/null && \
	tar -xzf "$$tmp"/*.tgz -C "$$tmp" && \
	python3 scripts/schemas/generate.py "$$tmp/package" crates/terraform-provider-aws/schemas/aws.json.gz
