# `make help` says what each target does. All results are in .tools/, target/ and .aws-sam/.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENVS := sam ministack moto lint build e2e docs apis wheel
UV := .tools/uv/bin/uv
CHECKS := format layers clippy generated dependencies oldest-rust templates docs
# This builds all crates with all features. There are no examples, but `--examples` makes cargo use the dev-dependencies.
# So cargo compiles the dependencies once for this and for `make test`.
DEV_BUILD := cargo build --locked --workspace --all-features --examples
DEV_TEST := cargo test --locked --workspace --all-features --no-fail-fast
# The test modules that `make test` does not repeat through the real clients: those that try everything, and those that
# use one face or none. A name stands for every module whose name ends with it.
ONCE := $(addsuffix ::,alike bounds calls campaign config corpus counting definitions delivery dns_cache docs execution_role \
  faults interleavings law machines markdown merging plan policy program response_url role_set_faults schedule schemas show \
  simulation wire wire_faults)
# The tests run in four processes, each with a local AWS of its own, because they wait most of the time.
PYTEST := .tools/e2e/bin/python -m pytest -q -p no:cacheprovider --numprocesses 4 --dist loadfile
CARGO_DENY := .tools/cargo-deny/bin/cargo-deny
CARGO_FUZZ := .tools/cargo-fuzz/bin/cargo-fuzz
CARGO_CYCLONEDX := .tools/cargo-cyclonedx/bin/cargo-cyclonedx
FUZZ_TARGETS := event properties definition response_url
# The time for each fuzz target.
SECONDS_OF_FUZZING ?= 3600
ROOT := $(CURDIR)
# target-account.yaml is only a fragment of a template.
STACKSET_TEMPLATES := $(filter-out %/target-account.yaml,$(wildcard examples/stackset/*.yaml))

export SAM_CLI_TELEMETRY := 0
export PYTHONDONTWRITEBYTECODE := 1
# Without these, cargo-lambda and zig would write to the home directory.
export __SAM_CLI_APP_DIR := $(ROOT)/.tools/sam/home
export CARGO_ZIGBUILD_CACHE_DIR := $(ROOT)/target/zig/zigbuild
export ZIG_GLOBAL_CACHE_DIR := $(ROOT)/target/zig/global
export ZIG_LOCAL_CACHE_DIR := $(ROOT)/target/zig/local
# No path of this machine gets into the function, so that every machine builds the same bytes.
NO_PATHS := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo --remap-path-prefix=$(ROOT)=/mlops-roles
# The profile, the manifest and the kind of the wheel are in pyproject.toml.
MATURIN := PATH="$(ROOT)/.tools/wheel/bin:$$PATH" maturin build --locked
# `make cli-files` builds the program for CLI_TARGET. The wheel of a static program is linked against the C library of
# manylinux2014 instead: its allocator is faster, and a name is resolved as the machine is configured.
CLI_TARGET ?= $(shell rustc --print host-tuple)
WHEEL_TARGET = $(CLI_TARGET:-musl=-gnu)
ON_LINUX = $(findstring -linux-,$(CLI_TARGET))
# The Python interpreters that have the local AWS servers, for the tests that start them.
export MINISTACK_PYTHON := $(ROOT)/.tools/ministack/bin/python
export MOTO_PYTHON := $(ROOT)/.tools/moto/bin/python
# Writes target/$(1).json for the crate in the folder $(2). The tool also writes a file for each other crate.
define sbom
SOURCE_DATE_EPOCH=0 $(CARGO_CYCLONEDX) cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps \
  --manifest-path $(2)/Cargo.toml $(3) --override-filename $(1)
mkdir -p target
sed 's|file://$(ROOT)|file://.|g' $(2)/$(1).json > target/$(1).json
rm -f $(1).json crates/*/$(1).json
endef
# Measurements are written to docs/evidence only on request, so that they leave the checkout clean. The revision is
# stored now, because a measurement takes a while.
ifeq ($(PUBLISH),1)
  export MEASURED_REVISION := $(or $(shell $(PYTHON) tests/local/evidence.py revision),$(error PUBLISH=1: there is no commit))
  publish = $(PYTHON) tests/local/evidence.py docs/evidence/$(1) $(2) "$(3)"
else
  publish = cat >/dev/null
endif

.PHONY: help tools build dev-function stackset-template wheel cli-files package release-files demo test quick e2e-released bless sdk-calls generate bench bench-plan corpus check checks $(CHECKS) campaign \
  fuzz reproduce loop hook sbom site clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 20
	@echo 'With PUBLISH=1, bench, bench-plan, corpus, campaign, fuzz, reproduce and loop write what they measured to docs/evidence/.'

tools: $(VENVS:%=.tools/%/.installed) ## Install sam, ministack, moto, cfn-lint, cargo-lambda, maturin, pytest, Sphinx under .tools/

.tools/%/.installed: tests/local/requirements/%.txt tests/local/requirements/%.frozen.txt | $(UV)
	$(UV) venv --quiet --clear --no-python-downloads --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .tools/$*
	$(UV) pip install --quiet --compile-bytecode --python .tools/$* -r $<
	touch $@

$(UV): tests/local/requirements/uv.txt
	rm -rf .tools/uv
	$(PYTHON) -m venv .tools/uv
	.tools/uv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

SOURCES := template.yaml Cargo.toml Cargo.lock crates/core/Cargo.toml \
  crates/engine/Cargo.toml $(shell find src crates/core/src crates/engine/src -name '*.rs' -o -name '*.json' -o -name '*.txt')

build: .aws-sam/build/template.yaml ## Build the function and its template for deployment (the first time takes minutes)

.aws-sam/build/template.yaml: $(SOURCES) | tools
	PATH="$(ROOT)/.tools/build/bin:$$PATH" RUSTFLAGS="$(NO_PATHS)" .tools/sam/bin/sam build
	touch $@

dev-function: .aws-sam/dev/template.yaml ## Build the unoptimised function for this machine, which demo and tests deploy

.aws-sam/dev/template.yaml: $(SOURCES)
	$(DEV_BUILD) --bin function
	mkdir -p .aws-sam/dev/Function
	install -s target/debug/function .aws-sam/dev/Function/bootstrap
	sed 's|CodeUri: \.$$|CodeUri: Function|; s|Url: \([A-Z]\)|Url: ../../\1|' template.yaml > $@

# This build follows the other one: cargo-lambda writes both functions to one place, from where sam takes them.
.aws-sam/arm64/template.yaml: .aws-sam/build/template.yaml
	PATH="$(ROOT)/.tools/build/bin:$$PATH" RUSTFLAGS="$(NO_PATHS)" .tools/sam/bin/sam build --build-dir .aws-sam/arm64 \
	  --parameter-overrides Architecture=arm64
	touch $@

stackset-template: target/stackset/template.json ## Write the plain template that a stack set deploys to other accounts

target/stackset/template.json: examples/stackset/synthesize.py template.yaml examples/stackset/target-account.yaml \
    .tools/sam/.installed
	.tools/sam/bin/python $(wordlist 1,3,$^) $@

package: tools build ## Package the application into a local bucket, check the package, and run the demo with it
	.tools/e2e/bin/python tests/local/package.py
	FUNCTION=released .tools/e2e/bin/python tests/local/demo.py

# No feature `account` here: the tests must not wait for the AWS SDKs.
wheel: .tools/wheel/.installed ## Build the wheel of the command line for this machine in target/wheels
	rm -rf target/wheels
	$(MATURIN) --out target/wheels

cli-files: .tools/wheel/.installed ## Make the released files of the command line for this machine in target/cli-files (CLI_TARGET=TARGET)
	rm -rf target/cli-files
	RUSTFLAGS="$(NO_PATHS)$(if $(ON_LINUX), -C target-feature=+crt-static)" cargo build --locked --profile cli \
	  --package mlops-roles-cli --features account --target $(CLI_TARGET)
	RUSTFLAGS="$(NO_PATHS)" $(MATURIN) --features account --target $(WHEEL_TARGET) $(if $(ON_LINUX),--zig) --out target/cli-files
	$(PYTHON) tests/local/cli_files.py $(CLI_TARGET)

# With TAG, a release: the files of the command line for every target have to be in target/cli-files.
release-files: .aws-sam/arm64/template.yaml stackset-template sbom ## Make the files of a release, for both instruction sets
	$(PYTHON) tests/local/release.py files $${TAG:+"$$TAG"}

demo: $(patsubst %,.tools/%/.installed,sam ministack e2e) dev-function ## Deploy to a local AWS, show the workflow role, and delete everything again
	.tools/e2e/bin/python tests/local/demo.py

test: tools dev-function wheel ## Run every test; the last line is the total
	$(PYTHON) tests/local/total.py \
	  "$(DEV_TEST)" "env FACE=wire $(DEV_TEST) --test it -- $(ONCE:%=--skip %)" \
	  "$(PYTEST) tests/local" "$(PYTEST) tests/e2e"

quick: ## Run the tests of core and engine, which need neither the AWS SDK nor a local AWS
	cargo test --locked --package mlops-roles-core --package mlops-roles-engine

e2e-released: tools build ## Run the end-to-end tests with the released function
	FUNCTION=released $(PYTEST) tests/e2e

bless: ## Write the expected policies and plans of the tests anew, for a review
	SNAPSHOTS=overwrite $(DEV_TEST) --test it -- definitions execution_role plan provision role_sets show

bench: tools build ## Measure the function and others that do the same work (needs Node.js; ROUNDS=10 rounds of each)
	.tools/e2e/bin/python benches/run.py

bench-plan: ## Time the plan of definitions with many states and with many resources
	cargo build --profile cli --locked --quiet --package mlops-roles-cli
	$(PYTHON) benches/plan.py target/cli/mlops-roles | tee target/bench-plan.md
	$(call publish,performance.md,bench-plan,make bench-plan) <target/bench-plan.md

corpus: .tools/e2e/.installed ## Run every definition and template below DIR through the command line, and count
	cargo build --profile cli --locked --quiet --package mlops-roles-cli
	.tools/e2e/bin/python tests/local/corpus.py $(or $(DIR),$(error DIR: name the folder)) --fail-on crashed,dropped | tee target/corpus.md
	$(call publish,corpus.md,corpus,make corpus DIR=$(DIR)) <target/corpus.md

generate: .tools/apis/.installed ## Write the table of APIs, the template, the schemas and the generated tables of the documentation anew
	.tools/apis/bin/python crates/core/apis/generate.py
	cargo run --quiet --locked --package mlops-roles-generate

sdk-calls: .tools/sdk/.installed ## Record the calls of the SageMaker Python SDK anew, for the tests of execution roles
	.tools/sdk/bin/python tests/local/sdk_calls.py tests/data/execution_role_calls/sdk.json

campaign: tools ## Let every call of the real process fail in every way, and in pairs (CAMPAIGN_SEED chooses the pairs)
	CAMPAIGN=1 $(DEV_TEST) --test it -- campaign::every
	cat target/campaign.md
	grep '^|' target/campaign.md | $(call publish,reliability.md,campaign,$${CAMPAIGN_CASES:+CAMPAIGN_CASES='$$CAMPAIGN_CASES' \
	  }CAMPAIGN_SEED=$${CAMPAIGN_SEED:-1} make campaign)

fuzz: $(CARGO_FUZZ) ## Fuzz each target for SECONDS_OF_FUZZING (3600), and keep the inputs that reached new code
	for target in $(FUZZ_TARGETS); do \
	  rm -rf target/fuzz/corpus/$$target && $(PYTHON) fuzz/corpus.py unpack $$target target/fuzz/corpus/$$target; \
	  $(CARGO_FUZZ) run -O --sanitizer none --target-dir target/fuzz $$target target/fuzz/corpus/$$target -- \
	    -max_total_time=$(SECONDS_OF_FUZZING) -max_len=8192 -timeout=10 -print_final_stats=1 2>&1 | tee target/fuzz/$$target.log; \
	  $(CARGO_FUZZ) cmin -O --sanitizer none --target-dir target/fuzz $$target target/fuzz/corpus/$$target -- -max_len=8192; \
	  $(PYTHON) fuzz/corpus.py pack $$target target/fuzz/corpus/$$target; \
	done
	$(PYTHON) fuzz/executions.py $(FUZZ_TARGETS:%=target/fuzz/%.log) | tee target/fuzz/executions.md
	$(call publish,reliability.md,fuzz,SECONDS_OF_FUZZING=$(SECONDS_OF_FUZZING) make fuzz) <target/fuzz/executions.md

reproduce: .tools/build/.installed ## Build the function twice, from nothing, in different folders, and compare the bytes
	PATH="$(ROOT)/.tools/build/bin:$$PATH" $(PYTHON) tests/local/reproduce.py

loop: ## Time build, tests and demo in clones with empty caches (CI_LOG=FILE: also the steps in the output of `.ci/run`)
	$(PYTHON) tests/local/loop.py $(CI_LOG)

hook: wheel ## Install the pre-commit hook of the last commit as users do, which builds the program, and run it
	HOOK=install $(PYTEST) tests/local/test_hook.py

sbom: target/sbom.json target/cli-sbom.json ## List the crates of function and command line as CycloneDX, and compare the lists with what cargo links
	$(PYTHON) tests/local/sbom.py

target/sbom.json: Cargo.toml Cargo.lock $(CARGO_CYCLONEDX)
	$(call sbom,sbom,.,--target x86_64-unknown-linux-gnu)

target/cli-sbom.json: Cargo.toml Cargo.lock crates/cli/Cargo.toml $(CARGO_CYCLONEDX)
	$(call sbom,cli-sbom,crates/cli,--target all --features account)

site: .tools/docs/.installed ## Build the site of the documentation in target/site; a broken link or anchor fails
	rm -rf target/site target/doctrees
	.tools/docs/bin/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs \
	  --doctree-dir target/doctrees . target/site

check: $(CHECKS) ## Format, layers, lints, generated files, licences, advisories, oldest Rust, templates, policies, site

checks:
	@echo $(CHECKS)

format:
	cargo fmt --all --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --manifest-path benches/harness/Cargo.toml

layers:
	cargo tree --locked --package mlops-roles-core --package mlops-roles-engine --edges normal --depth 1
	$(PYTHON) tests/local/layers.py

clippy:
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	cargo clippy --locked --all-targets --package mlops-roles-engine --package mlops-roles-cli -- -D warnings

generated: .tools/apis/.installed
	.tools/apis/bin/python crates/core/apis/generate.py --check
	$(DEV_BUILD) --bin generate
	target/debug/generate --check

dependencies: $(CARGO_DENY)
	$(CARGO_DENY) --locked check bans licenses sources
	if timeout 60 $(CARGO_DENY) --locked fetch db 2>.tools/advisories.log; \
	  then $(CARGO_DENY) --locked check advisories; \
	  else echo "advisories: SKIPPED, the advisory database could not be fetched (is there a network?)"; fi

oldest-rust:
	$(PYTHON) tests/local/oldest_rust.py

templates: .tools/lint/.installed .tools/sam/.installed stackset-template
	.tools/lint/bin/cfn-lint template.yaml examples/*.yaml examples/definition-in-s3/*.yaml examples/ecs-task/*.yaml examples/athena-query/*.yaml examples/sam/*.yaml \
	  $(STACKSET_TEMPLATES) target/stackset/template.json \
	  --append-rules lint
	.tools/sam/bin/sam validate --lint --region us-east-1
	.tools/lint/bin/python tests/local/policies.py

# Fails if a page of the site loads something from another host.
docs: site
	! grep -rnoE '(src|data)="(https?:)?//[^"]*|<link[^>]* href="(https?:)?//[^"]*|url\(["'\'']?(https?:)?//[^)]*' target/site \
	  --include='*.html' --include='*.css'

# These tools are compiled in each clone and run only a few times, so they are not optimised.
$(CARGO_DENY):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --debug cargo-deny --version 0.20.2 --locked --root .tools/cargo-deny

$(CARGO_FUZZ):
	cargo install cargo-fuzz --version 0.13.2 --locked --root .tools/cargo-fuzz

$(CARGO_CYCLONEDX):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --debug cargo-cyclonedx --version 0.5.9 --locked --root .tools/cargo-cyclonedx

clean: ## Delete everything that was built or installed
	rm -rf target .aws-sam .tools
