# make help lists the targets. The work is done by scripts/ and .ci/run.

.DEFAULT_GOAL := help
FUZZTIME ?= 10s
SOAKTIME ?= 10m

.PHONY: help tools fmt lint test race conformance fuzz soak ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools: ## install the pinned tools into .bin/
	bash scripts/tools

fmt: tools ## format all Go files
	.bin/golangci-lint fmt

lint: tools ## run the linters in every module
	@go list -m -f '{{.Dir}}' | while read -r dir; do (cd "$$dir" && "$(CURDIR)/.bin/golangci-lint" run) || exit 1; done

test: ## run all tests of all modules
	go test work

race: ## run all tests with the race detector
	go test -race work

conformance: ## run the official MCP conformance suite
	bash scripts/conformance

fuzz: ## run each fuzz target for FUZZTIME
	bash scripts/fuzz $(FUZZTIME)

soak: ## load a server for SOAKTIME and see that nothing grows
	TRESTLE_SOAK=$(SOAKTIME) go test -count=1 -timeout 0 -run '^TestSoak_' -v ./server

ci: ## run all that CI runs
	bash .ci/run
