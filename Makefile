# Everything that people and CI run. `make up` on a fresh machine needs Python 3.11 and nothing else.

VENV := .venv
BIN := $(VENV)/bin
# Clients of the gateway by others, in an environment of their own: tests/contract/clients.
CLIENTS := .venv-clients
PYTHON ?=
UP_ARGS ?=
TEST_ARGS ?=
TEST_WORKERS ?= 2
LOCK_ARGS ?=
ZONES := UTC Asia/Seoul America/Juneau

COMPOSE_FILES := $(wildcard docker-compose*.yml deploy/docker-compose*.yml)
DOCKERFILES := $(wildcard Dockerfile* deploy/Dockerfile*)
WORKFLOWS := $(wildcard .github/workflows/*.yml .github/workflows/*.yaml)

export PYTHON
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup clients up fmt check test test-zones bench bench-opening lock settings-docs decline-docs clean drill-fresh

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  %-14s %s\n' "$$name" "$$text"; done

$(VENV)/.installed: requirements.lock pyproject.toml deploy/setup.sh
	@sh deploy/setup.sh $(VENV) requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml deploy/setup.sh
	@sh deploy/setup.sh $(VENV) requirements-dev.lock
	@touch $@ $(VENV)/.installed

$(CLIENTS)/.installed: tests/contract/clients/requirements.lock deploy/setup.sh
	@sh deploy/setup.sh $(CLIENTS) tests/contract/clients/requirements.lock lock-only
	@touch $@

clients: $(CLIENTS)/.installed ## The environment of the clients by others, which `make test` runs against the simulator

setup: $(VENV)/.installed ## The virtual environment, from the lock with hashes

up: setup ## Everything on this machine: engines, beat, workers and, without a gateway, the simulator (UP_ARGS=...)
	@$(BIN)/jeonggi up $(UP_ARGS)

fmt: $(VENV)/.installed-dev ## Put the code into its form
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

check: $(VENV)/.installed-dev ## Everything that is checked without running it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(foreach file,$(COMPOSE_FILES),$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec $(file) &&) true
	$(foreach file,$(COMPOSE_FILES),$(BIN)/docker-compose -f $(file) config -q --no-interpolate &&) true
	$(foreach file,$(WORKFLOWS),$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(file) &&) true
	$(foreach file,$(DOCKERFILES),$(BIN)/hadolint $(file) &&) true
	$(BIN)/python -m pytest -q tests/architecture

test: $(VENV)/.installed-dev $(CLIENTS)/.installed ## Every test but the long chaos runs (TEST_ARGS=..., TEST_WORKERS=2)
	$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal tests --ignore=tests/chaos/long $(TEST_ARGS)

test-zones: $(VENV)/.installed-dev ## What touches time, with process and database each in UTC, Asia/Seoul and America/Juneau
	@set -e; for process in $(ZONES); do \
		$(BIN)/python -m pytest -q -n $(TEST_WORKERS) -m touches_time --process-zone $$process \
			tests/unit tests/property $(TEST_ARGS); \
		for database in $(ZONES); do \
			$(BIN)/python -m pytest -q -n $(TEST_WORKERS) -m touches_time --process-zone $$process \
				--database-zone $$database tests/integration $(TEST_ARGS); \
		done; \
	done

lock: $(VENV)/.installed ## Resolve the locks anew (LOCK_ARGS=--upgrade for newer versions)
	@sh deploy/lock.sh $(BIN)/python $(LOCK_ARGS)

bench: $(VENV)/.installed-dev ; $(BIN)/python -m benchmarks.charges $(BENCH_ARGS) ## Charges a second and their CPU, beside a plain task a charge (BENCH_ARGS=--write)

bench-opening: $(VENV)/.installed-dev ; $(BIN)/python -m benchmarks.opening $(BENCH_ARGS) ## Buffers and CPU of opening a due period, by how many subscriptions there are

settings-docs: $(VENV)/.installed ## Print docs/reference/settings.md from the settings
	@$(BIN)/python -m runtime.settings_reference > docs/reference/settings.md.new
	@mv docs/reference/settings.md.new docs/reference/settings.md

decline-docs: $(VENV)/.installed ## Print docs/reference/decline-codes.md from the tables
	@$(BIN)/python -m runtime.decline_reference > docs/reference/decline-codes.md.new
	@mv docs/reference/decline-codes.md.new docs/reference/decline-codes.md

clean: ## Remove what was built here; data in the state folder stay
	rm -rf $(VENV) $(CLIENTS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

drill-fresh: ## Prove that the last commit comes up from nothing, as root and as an ordinary user
	@sh deploy/drill-fresh.sh
