# striate: everything that a checkout can do. Each target installs what it needs, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DOCS := $(VENV)/.installed-docs
ARGS ?=
FIRE ?= full

.DEFAULT_GOAL := help
.PHONY: help setup demo test slow fire check docs

help:
	@echo "make setup   install striate and all that development needs into $(VENV)"
	@echo "make demo    fit the set that striate carries, in a minute and a half"
	@echo "make test    the default tests"
	@echo "make slow    documentation examples, the browser, the wheel in a clean environment, some fire"
	@echo "make fire    kills, damaged files, full disks, jumping clocks: all of it, about an hour"
	@echo "make check   lint, format, types, floors"
	@echo "make docs    build the documentation, strictly"

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing striate into $(VENV). The first time this takes a few minutes and about 6 GB."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(INSTALLED_DOCS): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/striate fit demo --minutes 1.5 $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 $(ARGS)

slow: $(INSTALLED)
	STRIATE_FIRE=small $(BIN)/python -m pytest -m 'slow or fire' $(ARGS)

fire: $(INSTALLED)
	STRIATE_FIRE=$(FIRE) $(BIN)/python -m pytest -m fire $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

docs: $(INSTALLED_DOCS)
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	@echo "The documentation is in docs/_build/html/index.html"
