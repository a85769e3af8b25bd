# The commands of this repository. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check format bench bench-pages crowd chaos pins clean

VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 4
# What was compiled once is read again, whatever the environment says: four workers and every program that a test starts ask for it.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements.txt pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV) requirements.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt
	@tools/venv.sh $(VENV) requirements-dev.txt
	@touch $@

demo: $(VENV)/.ready ## run the whole shop beside simulated channels, on this machine only
	@exec $(BIN)/daozhang demo

test: $(VENV)/.ready-dev ## set up what tests need, then run all of them
	@tools/browser.sh
	@$(BIN)/python -m tests.oracles.environment
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.ready-dev ## format, lint, types, floors, the rules of the house
	@$(BIN)/ruff format --check src tests
	@$(BIN)/ruff check src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest -q tests/house

format: $(VENV)/.ready-dev ## format the code
	@$(BIN)/ruff format src tests
	@$(BIN)/ruff check --fix src tests

bench: $(VENV)/.ready-dev ## the figures, each with its yardstick (NAME=credit for one)
	@for name in $(or $(NAME),credit decide notify place diagnosis); do $(BIN)/daozhang bench $$name --json; done
	@$(if $(NAME),,for kind in alipay unionpay epay; do $(BIN)/daozhang bench place --channel $$kind --json; done)

bench-pages: $(VENV)/.ready-dev ## what each page weighs, how soon it is painted on a slow phone, what axe finds (ONLY=/orders)
	@tools/browser.sh
	@$(BIN)/daozhang bench pages $(if $(ONLY),--only $(ONLY)) --json

crowd: $(VENV)/.ready-dev ## buyers who make mistakes, with rules and explanations and without (SEED=1 ORDERS=200)
	@$(BIN)/daozhang bench crowd --seed $(or $(SEED),1) --orders $(or $(ORDERS),200) --json

chaos: $(VENV)/.ready-dev ## the long counts: kills, races, random stories, every page in every look
	@tools/browser.sh
	@DAOZHANG_LONG=1 $(BIN)/pytest tests/chaos tests/flows tests/fuzz tests/postgres tests/browser tests/policy/test_rules.py -n $(WORKERS) --dist loadfile --no-loadscope-reorder

pins: $(VENV)/.ready-dev ## pin every requirement again, with hashes
	@tools/pins.sh $(BIN)/uv

clean: ## remove the virtual environment and caches (no data)
	rm -rf $(VENV) .oracles .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/browser/node_modules
