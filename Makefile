# `make up` and `make test` are all that a newcomer needs: each does its own set-up first.
.DEFAULT_GOAL := help
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
    $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
    && echo $$python && break; done)
BIN := .venv/bin
# At a time. Each has servers of its own, of every edition, and waits for them a good part of its time.
TESTS ?= 3
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

WEB := $(shell find web -path web/node_modules -prune -o -type f -print)
STATIC := graphql_api/static

.PHONY: help install up test coverage check format clean dist pages maybe-pages check-pages

help: ## Show what a person does here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: .venv/installed maybe-pages ## Make .venv with btcql in it

pages: $(STATIC)/chart.html ## Build the pages (needs Node.js 18 or newer, with npm)

up: .venv/installed maybe-pages ## Start everything: database, luigid, pipeline, forecast, API (Ctrl-C stops it)
	@$(BIN)/btcql up

test: .venv/tested maybe-pages ## Run all tests, on every edition of the database that is found
	$(BIN)/python -m pytest -n $(TESTS) --dist worksteal $(PYTEST_ARGS)

coverage: .venv/tested maybe-pages ## Run all tests, a quarter slower, and show what they do not reach
	$(BIN)/python -m pytest -n $(TESTS) --dist worksteal --cov --cov-report=term $(PYTEST_ARGS)

check: .venv/tested ## Check format, lint, types, the import rules and the migrations' numbers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -c 'from database.migrate import find_migrations; find_migrations()'
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory check-pages; else echo "The pages' types were not checked: no npm is installed."; fi

check-pages: web/node_modules/.package-lock.json
	npm --prefix web run --silent check

dist: .venv/installed pages ## Build the wheel and the source archive, the pages in both, into dist/
	@rm -rf build dist
	$(PIP) build
	$(BIN)/python -m build --outdir dist .

format: .venv/tested ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what was built (var, the data, stays)
	rm -rf .venv $(STATIC) web/node_modules build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

.venv/installed: setup.cfg pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "btcql needs Python 3.11, 3.12 or 3.13 with venv; none was found on PATH (set PYTHON=...)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "pip brings btcql and what it needs into .venv (about 770 MB): a minute or two, and it says nothing meanwhile"
	@$(PIP) --editable .
	@touch $@

.venv/tested: .venv/installed
	@echo "pip brings what the tests and checks need into .venv: it may take a minute"
	@$(PIP) --editable '.[test,check]'
	@touch $@

# btcql works without its pages: no Node.js, or no way to npm's packages, stops nobody.
maybe-pages:
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then \
	    echo "The pages are not built: that needs Node.js 18 or newer, with npm. All else works; later: make pages"; \
	elif ! $(MAKE) --no-print-directory pages; then \
	    echo "The pages could not be built (see above). All else works; to try again: make pages"; \
	fi

$(STATIC)/chart.html: web/node_modules/.package-lock.json $(WEB)
	npm --prefix web run --silent build

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	npm --prefix web ci --silent
	@touch $@
