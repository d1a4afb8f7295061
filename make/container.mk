# The image under a real container runtime: scripts/test-container.
TEST_TARGETS += test-container

.PHONY: test-container
test-container: image ## Run the image under crun with as few rights as there can be (root)
	scripts/test-container
