# Album: `make` lists what can be done. Needs Python 3.10 or newer and, for what pip cannot bring, Debian's packages.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
LICENCES := MIT;BSD;Apache;ISC;MPL-2.0;Mozilla Public License 2.0;HPND;PSF;Python Software Foundation
FUZZ_ARGS ?= --count 20000
# What the images have.
IMAGES := api decoder thumbnailer notifier cli tracing
# What `make up` needs; the rest of constraints.txt is for developers, and takes as long again to install.
RUNTIME := $(IMAGES) local

# A stamp's name holds a hash of what was asked for, so "is there anything to do?" is a file lookup.
ASKED := $(shell cat pyproject.toml requirements.txt constraints.txt | sha256sum | cut -c 1-16)
STAMP := $(VENV)/.installed-$(ASKED)
TOOLS := $(VENV)/.tools-$(ASKED)
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup servers check test up docs lock sbom audit bench fuzz chaos chaos-tests

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: servers $(TOOLS) ## install everything: virtual environment, RabbitMQ, mongod (quick when nothing is to do)

servers: $(STAMP)
	@deploy/local/setup.sh broker
	@deploy/local/setup.sh database $(VENV)

$(STAMP): pyproject.toml requirements.txt
	@deploy/local/setup.sh venv $(PYTHON)
	@deploy/local/setup.sh broker
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo '*' > $(VENV)/.gitignore
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installed-* $(VENV)/.tools-*
	@touch $@

$(TOOLS): $(STAMP) constraints.txt
	$(PIP) --require-hashes -r constraints.txt
	@touch $@

check: $(TOOLS) ## what a machine can judge: style, types, import rules, architecture
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pytest -q -p no:cacheprovider tests/architecture

test: setup ## every test, against the real mongod, RabbitMQ and browser
	@deploy/local/setup.sh tests
	$(VENV)/bin/pytest $(PYTEST_ARGS)

up: servers ## run the whole stack here until Ctrl-C
	@exec $(VENV)/bin/album up

docs: $(TOOLS) ## build the documentation site into build/site
	$(VENV)/bin/properdocs build --strict --quiet -f mkdocs.yml

lock: ## pin what pyproject.toml asks for, with hashes, keeping the pins that still fit; needs uv on PATH
	uv pip compile --quiet pyproject.toml --all-extras --universal --python-version 3.10 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url -o constraints.txt
	uv pip compile --quiet pyproject.toml $(addprefix --extra ,$(RUNTIME)) -c constraints.txt --universal \
		--python-version 3.10 --generate-hashes --no-header --no-annotate --no-emit-index-url -o requirements.txt

sbom: $(TOOLS) ## what is in the images: build/sbom.cdx.json, build/licences.txt; fails at a licence that is not known
	@rm -rf build/runtime && mkdir -p build && $(VENV)/bin/python -m venv --without-pip build/runtime
	deploy/install.sh $(VENV)/bin/pip build/runtime $(IMAGES)
	$(VENV)/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
		--output-file build/sbom.cdx.json build/runtime
	$(VENV)/bin/pip-licenses --python build/runtime/bin/python --with-urls --output-file build/licences.txt \
		--partial-match --allow-only '$(LICENCES)'

audit: ## known vulnerabilities of what is pinned; needs pip-audit on PATH, and the net
	pip-audit --disable-pip --require-hashes -r constraints.txt

bench: setup ## every figure beside its yardstick, about 20 minutes on a quiet machine: BENCH_ARGS="--quick"
	$(VENV)/bin/python -m benchmarks $(BENCH_ARGS)

fuzz: $(TOOLS) ## mutated pictures through the decode pool, for minutes: FUZZ_ARGS="--count 20000 --corpus DIR"
	$(VENV)/bin/python -m benchmarks.fuzz_decode $(FUZZ_ARGS)

chaos: setup ## everything dies at random under load, and nothing that was accepted is lost
	$(VENV)/bin/python -m benchmarks.chaos $(CHAOS_ARGS)

chaos-tests: setup ## kill points, outages, clusters: many minutes, better on a machine with nothing else to do
	$(VENV)/bin/pytest $(PYTEST_ARGS) tests/chaos
