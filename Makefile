# `make demo` and `make test` need Python 3.11 and make, nothing else: everything is set up in .venv from the lock files.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Byte code is kept, whatever the surroundings say: dozens of processes start in a test run.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint types check lock docs bench bench-full clean

demo: $(VENV)/.runtime
	@$(BIN)/gateway demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 4 --dist loadfile
	GATEWAY_TESTS_ON=postgresql $(BIN)/python -m pytest -n 4 --dist loadfile tests/gateway/web

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/python -m mypy

check: lint types test

# Pages that are made from the adapters' data; a test compares them.
docs: $(VENV)/.runtime
	$(BIN)/python docs/generate.py

# Measured beside others, which are installed into .bench; the page of results is docs/benchmarks.md.
bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks

bench-full: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks --full

# Names, versions and hashes; no address of any index.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --no-header --extra build --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --no-header --extra dev --output-file requirements-dev.lock \
		--constraint requirements.lock pyproject.toml

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) .bench .mypy_cache .ruff_cache .hypothesis
