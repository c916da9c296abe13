# The tasks of this project. Python 3.11 or newer, git and make are all that must be there.

PYTHON ?= python3
UV := .uv/bin/uv
ENVIRONMENT := .venv/.made-from-lock
FRONTEND := .venv/bin/python -m store.web.frontend.build
LOCK := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

.DEFAULT_GOAL := help
.PHONY: help run test check format bench lock clean

help: ## list the tasks
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

run: $(ENVIRONMENT) ## the whole store on this machine (Ctrl-C stops it)
	@$(FRONTEND)
	@exec .venv/bin/python -m store.sandbox.run

test: $(ENVIRONMENT) ## the test suite on throw-away engines (T=path for a part of it)
	@$(FRONTEND)
	@.venv/bin/pytest $(T)

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

lock: $(UV) ## make the lock files anew from pyproject.toml
	$(LOCK) --upgrade -o requirements.lock
	$(LOCK) --upgrade --group dev -o requirements-dev.lock

clean: ## remove the environment; the sandbox's data in .videothek/ stay
	rm -rf .venv .uv store/web/static/vendor store/web/frontend/node_modules

$(ENVIRONMENT): requirements-dev.lock $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --python .venv/bin/python --require-hashes requirements-dev.lock
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Videothek needs Python 3.11 or newer (make PYTHON=/path/to/python3 ...)."; exit 1; }
	@$(PYTHON) -m venv .uv || \
		{ rm -rf .uv; echo "Python's venv module is missing; on Debian: sudo apt-get install python3-venv"; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9' || { rm -rf .uv; exit 1; }
