# The tasks of this project. Python 3.11 or newer, git and make are all that must be there.

IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(IS_NEW_ENOUGH)' 2>/dev/null && { echo $$python; break; }; done)
UV := .uv/bin/uv
export UV_PYTHON_DOWNLOADS := never
ENVIRONMENT := .venv/.made-from-lock
FRONTEND := .venv/bin/python -m store.web.frontend.build
# Each process has engines of its own; a file's tests stay together, as they share what they set up.
ON_ALL_CORES := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
LOCK := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

.DEFAULT_GOAL := help
.PHONY: help run test check format bench crash sbom lock reset clean

help: ## list the tasks
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

run: $(ENVIRONMENT) ## the whole store on this machine (Ctrl-C stops it)
	@$(FRONTEND)
	@exec .venv/bin/python -m store.sandbox

test: $(ENVIRONMENT) ## the test suite on throw-away engines (T=path for a part of it)
	@$(FRONTEND)
	@.venv/bin/pytest $(or $(T),$(ON_ALL_CORES))

check: $(ENVIRONMENT) ## lint, formatting, types, direction of imports
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

format: $(ENVIRONMENT) ## put the code into its format
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: $(ENVIRONMENT) ## what a film page and a purchase cost, as multiples of a bare handler
	@$(FRONTEND)
	@.venv/bin/python -m benchmarks

crash: $(ENVIRONMENT) ## hundreds of purchases while everything is killed again and again (SEED=… draws the same)
	@$(FRONTEND)
	@.venv/bin/python -m tests.crash $(SEED)

sbom: $(ENVIRONMENT) ## what the store is made of, as CycloneDX on standard output
	@.venv/bin/python -m store.sbom

lock: $(UV) ## make the lock files anew from pyproject.toml
	$(LOCK) --upgrade -o requirements.lock
	$(LOCK) --upgrade --group dev -o requirements-dev.lock

reset: ## throw the sandbox's data away; the next `make run` begins anew
	rm -rf .videothek

clean: ## remove the environment; the sandbox's data in .videothek/ stay
	rm -rf .venv .uv store/web/static/vendor store/web/frontend/node_modules

# uv knows its own index settings, not pip's; where it reaches none, pip installs the same lock with the same hashes.
$(ENVIRONMENT): requirements-dev.lock $(UV)
	@$(UV) venv --quiet --allow-existing --python .uv/bin/python .venv
	@$(UV) pip sync --quiet --python .venv/bin/python --require-hashes requirements-dev.lock || { \
		echo "uv could not install the packages; trying pip ..."; \
		.uv/bin/python -m pip --python .venv/bin/python install --quiet --disable-pip-version-check \
			--require-hashes --no-deps -r requirements-dev.lock; }
	@touch $@

$(UV):
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c '$(IS_NEW_ENOUGH)' || \
		{ echo "Videothek needs Python 3.11 or newer (make PYTHON=/path/to/python3 ...)."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing; on Debian: sudo apt-get install python3-venv"; exit 1; }
	@echo "Making the environment (once) ..."
	@rm -rf .uv && $(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9' || { rm -rf .uv; exit 1; }
