# Two commands do all the set-up: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off
# One line a package, so that a person sees it move.
SHOW := awk '/^(Collecting|Installing|ERROR|error)/ { print substr($$0, 1, 100); fflush() }'

.PHONY: run test faults faults-short schema lint bandit audit lock clean

run: .venv/base.stamp
	@exec $(BIN)/python manage.py serve --prepare

test: .venv/dev.stamp
	@exec sh tests/run.sh

# Kills, stops and races, with a table at the end: minutes, or a minute and a half.
faults: .venv/dev.stamp
	@exec sh tests/faults/run.sh long

faults-short: .venv/dev.stamp
	@exec sh tests/faults/run.sh short

# Requests made up from the OpenAPI document, against the running server on both databases.
schema: .venv/dev.stamp
	@exec $(BIN)/python -m tests.schema.check

lint: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy .

# What ruff's rules of the same name do not know; see pyproject.toml. It ends with 0 when one of its own
# tests breaks down, so that whatever it says has to fail.
bandit: .venv/dev.stamp
	@said=$$($(BIN)/bandit --quiet --configfile pyproject.toml --recursive \
	  bench commands config connector manage.py processes requirements scheduler 2>&1); \
	  if [ -n "$$said" ]; then echo "$$said"; exit 1; fi

# Fails too when the index or the advisory service cannot be asked, or has nothing to say of a package.
audit: .venv/dev.stamp
	@$(BIN)/python requirements/audit.py

# Writes the pins from requirements/*.in; what comes out has to be installed and tested together.
lock:
	$(PYTHON) -m pip install --quiet uv
	cd requirements && for name in base production dev; do \
	  uv pip compile --universal --python-version 3.11 --upgrade $$name.in -o $$name.txt; done

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Arabica needs Python 3.11 or later; name one: make run PYTHON=python3.12"; exit 1; }
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv

.venv/base.stamp: requirements/base.txt | .venv/bin/python
	@echo "Installing the packages of requirements/base.txt (a minute or two, once) ..."
	@$(INSTALL) -r requirements/base.txt 2>&1 | $(SHOW)
	@touch $@

.venv/production.stamp: requirements/production.txt .venv/base.stamp | .venv/bin/python
	@echo "Installing the packages of requirements/production.txt ..."
	@$(INSTALL) -r requirements/production.txt 2>&1 | $(SHOW)
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/base.stamp | .venv/bin/python
	@echo "Installing the packages of requirements/dev.txt (a minute or two, once) ..."
	@$(INSTALL) -r requirements/dev.txt 2>&1 | $(SHOW)
	@touch $@

clean:
	rm -rf .venv var
