# GNU make and a POSIX shell. `make help` lists what there is.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv dev page demo provision test slow check bench studies storm picture secrets lock clean

ARGS ?=
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header
PAGE_SOURCES := $(shell find web -name node_modules -prune -o -type f -print 2>/dev/null)

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile
	@echo 'ARGS="…" goes to potline (demo), pytest (test) or uv (lock)'

venv: .venv/.warm ## install potline and its pinned requirements into .venv

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "potline needs Python 3.11 or newer: install it, or name it: make PYTHON=python3.11 …" >&2; exit 2; }
	@echo "venv     making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "no venv module: on Debian, apt-get install python3-venv" >&2; exit 2; }

.venv/.installed: requirements.txt pyproject.toml | $(BIN)/python
	@echo "venv     installing potline and $$(grep -c == requirements.txt) pinned requirements"
	@$(PIP) --require-hashes -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.warm: .venv/.installed $(wildcard analytics/*.py analytics/formula/*.py simulators/*.py collector/screen.py store/gather.py store/lineprotocol.py)
	@echo "venv     compiling the kernels"
	@$(BIN)/potline warm
	@touch $@

dev: .venv/.dev ## venv, and what checks and tests need

.venv/.dev: requirements-dev.txt .venv/.installed
	@echo "venv     installing the requirements of checks and tests"
	@$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@

page: api/static/index.html ## build the page (web/) into api/static

web/node_modules/.package-lock.json: web/package.json web/package-lock.json | .venv/.installed
	@echo "page     installing the page's packages"
	@tools/npm --prefix web ci --loglevel=error >/dev/null
	@touch $@

api/static/index.html: $(PAGE_SOURCES) web/node_modules/.package-lock.json
	@echo "page     building web/ into api/static"
	@tools/npm --prefix web run --silent build -- --logLevel error
	@touch $@

demo: venv page ## a simulated smelter, collected, computed and shown
	@$(BIN)/potline demo $(ARGS)

provision: dev ## bring the real servers of the tests onto this machine
	@$(BIN)/python tools/provision.py

test: venv dev page provision ## run the tests
	@$(BIN)/pytest -m "not slow" $(ARGS)

slow: venv dev page provision ## run those that wait for time to pass: kills, outages, a short storm
	@$(BIN)/pytest -m slow $(ARGS)

tools/lint/node_modules/.package-lock.json: tools/lint/package.json tools/lint/package-lock.json | .venv/.installed
	@tools/npm --prefix tools/lint ci --loglevel=error >/dev/null
	@touch $@

check: dev web/node_modules/.package-lock.json tools/lint/node_modules/.package-lock.json ## lint, format, types, deployment files
	@echo "check    ruff";   $(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet
	@echo "check    mypy";   $(BIN)/mypy --no-error-summary
	@echo "check    page";   tools/npm --prefix web run --silent check
	@echo "check    deploy"; $(BIN)/yamllint --strict deploy
	@$(BIN)/hadolint --failure-threshold style deploy/Dockerfile
	@tools/npm --prefix tools/lint exec --no -- dclint --max-warnings 0 deploy/compose.yaml
	@$(BIN)/python -m pip --disable-pip-version-check check >/dev/null

STUDIES := coverage early_warning order truth

bench: dev ## run the benchmarks, one after another
	@failed=0; for name in $(filter-out $(STUDIES),$(basename $(notdir $(wildcard benchmarks/[a-z]*.py)))); do \
	$(BIN)/python -m "benchmarks.$$name" || { echo "failed: $$name" >&2; failed=1; }; echo; done; exit $$failed

studies: dev ## figures against a simulated truth, order of arrival, some hours; docs/truth.md, docs/early-warning.md
	@$(BIN)/python -m benchmarks.coverage --write
	@$(BIN)/python -m benchmarks.early_warning --write
	@$(BIN)/python -m benchmarks.order
	@$(BIN)/python -m benchmarks.truth --write

storm: dev ## half an hour of 240 faults at 60,000 samples/s; docs/storm.md
	@$(BIN)/potline chaos deploy/plants/smelter.toml --seconds 1800 --faults 240 --rate 60000 \
	--most-gb 24 --report docs/storm.md $(ARGS)

picture: venv dev page ## take docs/picture.png from a running demo
	@echo "picture  running the demo for four minutes, so that the trends have a shape"
	@$(BIN)/potline demo --port 8611 --folder var/picture --seconds 900 >/dev/null & demo=$$!; \
	trap 'kill $$demo; wait $$demo' EXIT; sleep 240; \
	$(BIN)/python docs/take_picture.py http://127.0.0.1:8611 $(ARGS)

secrets: ## make the passwords and the token of deploy/compose.yaml, once
	@$(or $(PYTHON),python3) tools/make_secrets.py deploy/secrets

lock: dev ## pin the requirements of pyproject.toml anew (ARGS=--upgrade for newer ones)
	@$(COMPILE) $(ARGS) --group install -o requirements.txt pyproject.toml
	@$(COMPILE) $(ARGS) --group install --group dev -c requirements.txt -o requirements-dev.txt pyproject.toml
	@$(COMPILE) $(ARGS) --group node -o requirements-node.txt

clean: ## remove what was built (the cached influxd stays)
	@rm -rf .venv api/static web/node_modules tools/lint/node_modules dist
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
