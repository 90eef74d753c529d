# swift-kvbm: every task of the project. `make` alone lists them; the work is done in scripts/.
.DEFAULT_GOAL := help
MODEL ?= llama

.PHONY: help setup build build-test wheel test test-full test-releases lint format demo bench bench-tiers bench-serve bench-policies clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

setup: ## install what the tasks need: system packages where allowed, and Python environments
	@scripts/setup.sh system
	@scripts/setup.sh venv
	@scripts/setup.sh venv-object

build: ## the command and the library, optimised and self-contained, into python/swift_kvbm
	@scripts/setup.sh system
	@scripts/build.sh release

build-test: ## a second library with switchable faults, build/test/libkvbm.so
	@scripts/setup.sh system
	@scripts/build.sh faults

wheel: build ## dist/swift_kvbm-*.whl, to be installed beside vLLM with pip
	@scripts/wheel.sh

test: setup build build-test ## all tests: Swift, sanitizers, Python, lint; about 20 minutes
	@scripts/test.sh

test-full: setup build build-test ## the same with more seeds and longer runs; some hours
	@KVBM_FULL=1 scripts/test.sh

test-releases: setup build build-test ## harness and engine on the two newest releases of vLLM
	@scripts/test.sh releases

lint: ## formatting and rules of Swift, Python and text
	@scripts/setup.sh venv
	@scripts/lint.sh

format: ## rewrite Swift and Python in the house format
	@scripts/setup.sh venv
	@scripts/format.sh

demo: setup build ## a real engine without, with, and restarted with swift-kvbm; about 4 minutes
	@.venv/bin/python -m Benchmarks.Demo.demo --model $(MODEL)

bench: ## the steps that every block goes through, each beside its yardstick
	@scripts/setup.sh system
	@scripts/build.sh bench

bench-tiers: build ## copies, disk and start-up beside memcpy and fio; 3 minutes, ARGS=--quick for less
	@python/swift_kvbm/bin/kvbm bench tiers $(ARGS)

bench-serve: setup build ## serving beside what else there is; 20 minutes, ARGS=--quick for 4
	@.venv/bin/python -m Benchmarks.Serve $(ARGS)

bench-policies: build ## eviction policies beside libcachesim's, on a recorded workload
	@scripts/bench_policies.sh $(ARGS)

clean: ## remove everything that was built; keeps .venv
	@scripts/clean.sh
