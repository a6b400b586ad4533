# Two commands matter: `make up` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# The installer has a folder of its own, so that syncing the environment can't remove it.
UV := $(VENV)/installer/bin/uv
STAMP := $(VENV)/installed
NEEDED_KIB := 8388608
LOCK := --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
ARGS ?=
PEERS := .venv-peers

.PHONY: profile help install up down test lint types check bench peers doctor figures lock format

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv from the pinned, hashed requirements (skipped when nothing changed)

$(STAMP): requirements-dev.txt requirements-uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing. Install Python 3.11 with venv and pip (Debian 12: apt-get install python3.11-venv), or name one: make PYTHON=/path/to/python3.11 install" >&2; exit 2; }
	@test -d $(VENV) || test "$$(df -Pk . | awk 'NR == 2 {print $$4}')" -ge $(NEEDED_KIB) || { echo "The first start needs about 8 GiB of disk under $(CURDIR); free some, or move the checkout." >&2; exit 2; }
	@echo "Installing the packages of requirements-dev.txt (about 5 GB, once)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(VENV)/installer/bin/pip || $(PYTHON) -m venv $(VENV)/installer
	$(VENV)/installer/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	$(UV) pip sync --python $(BIN)/python --require-hashes requirements-dev.txt
	@touch $@

up: install ## Start everything on this machine; Ctrl-C stops it (ARGS=--no-sample for an empty one)
	@exec $(BIN)/python -m embedded.up $(ARGS)

down: install ## Stop a running `make up` from another terminal
	@$(BIN)/python -m embedded.down

test: install ## Run all tests, beside a running `make up` (ARGS= for pytest)
	@$(BIN)/python -m pytest $(ARGS)

lint: install ## Check style, formatting, layering and templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/djlint --lint templates

types: install ## Check types
	$(BIN)/mypy .

check: lint types ## Check style, types, Django's own checks and missing migrations
	$(BIN)/python manage.py check
	$(BIN)/python manage.py makemigrations --check --dry-run

format: install ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## Measure search: the API beside the bare engine (ARGS= for bench_search)
	$(BIN)/python manage.py bench_search $(ARGS)

profile: install ## Sample a command and the servers it starts: COMMAND="bench_search", PARTS= for bench.profiles
	mkdir -p build
	$(BIN)/py-spy record --subprocesses --rate 200 --format raw --output build/stacks.txt -- $(BIN)/python manage.py $(COMMAND)
	$(BIN)/python -m bench.profiles build/stacks.txt $(PARTS)

doctor: install ## Say what this machine lacks and what to do
	@$(BIN)/python -m embedded.doctor $(ARGS)

figures: install ## Put the figures of docs/figures into the README
	@$(BIN)/python -m bench.figures

$(PEERS)/.installed: bench/peers/requirements.txt $(STAMP)
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(UV) pip sync --python $(PEERS)/bin/python --require-hashes $<
	@touch $@

peers: $(PEERS)/.installed ## Measure Ragsite beside its peers, installed into .venv-peers (ARGS= for bench_peers)
	$(BIN)/python manage.py bench_peers $(ARGS)

lock: install ## Resolve pyproject.toml's ranges into the pinned, hashed requirements (ARGS=--upgrade for newer ones)
	$(UV) pip compile pyproject.toml $(LOCK) $(ARGS) -o requirements.txt
	$(UV) pip compile pyproject.toml --group dev -c requirements.txt $(LOCK) $(ARGS) -o requirements-dev.txt
	$(UV) pip compile bench/peers/requirements.in -c requirements-dev.txt $(LOCK) $(ARGS) -o bench/peers/requirements.txt
	echo uv | $(UV) pip compile - $(LOCK) $(ARGS) -o requirements-uv.txt
