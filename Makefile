# `make` lists the targets. Everything is installed into .venv by pip, under the versions of constraints.txt.

BIN := .venv/bin
# A stamp carries the hash of what it was installed from: editing setup.py or constraints.txt makes the next target install.
KEY := $(shell cat setup.py constraints.txt 2>/dev/null | cksum | cut -d ' ' -f 1)
BASE := .venv/.installed-base-$(KEY)
DEV := .venv/.installed-dev-$(KEY)
PAGES := .venv/.installed-dashboard-$(KEY)
# It pins half of what it needs, so it has an environment of its own. The version is the hook's (.pre-commit-config.yaml).
CHECKOV := checkov==3.3.30
CHECKED := .venv/checkov/.installed-$(CHECKOV)
# The Python to make .venv with: PYTHON=... on the command line, else the first of these that runs and is 3.11 to 3.13.
PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# pip would compile all modules one after the other, libraries' own tests too: most of what an installation takes. Jobs
# see these folders read-only, so what is not compiled now would be compiled by each of them again.
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '[/]tests[/]' .venv/lib || true
# Two at a time; worksteal keeps a file's tests, and what they share, with one of them.
WORKERS := -n 2 --dist worksteal
LOCK_EXTRAS := algorithms checks dashboard dev eda forecast huggingface notebooks spark text vision

.DEFAULT_GOAL := help
.PHONY: help run test coverage test-unit test-all check lint types format bench fuzz kill endure dashboard up down status clean clean-state lock \
	install install-dev demo-run demo-traffic demo-monitor

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(BASE)  ## the whole churn loop on this machine: data, pipeline, approval, endpoint, traffic, monitoring
	$(BIN)/mlops demo

test: $(DEV) lint types  ## lint, types and the tests (leaves out those marked slow)
	$(BIN)/python -m pytest $(WORKERS) -m "not slow" $(ARGS)

# On its own: Python 3.11 traces lines only by slowing down all of its code, libraries included, by half.
coverage: $(DEV)  ## the same tests, and which lines they reach
	$(BIN)/python -m pytest $(WORKERS) -m "not slow" --cov --cov-report=term $(ARGS)

test-unit: $(DEV)  ## the tests that need no Linux namespaces
	$(BIN)/python -m pytest $(WORKERS) -m "not slow and not namespaces" $(ARGS)

test-all: $(DEV) lint types  ## every test, the slow ones too
	$(BIN)/python -m pytest $(WORKERS) --cov --cov-report=term $(ARGS)

check: $(DEV) lint types  ## what pre-commit runs: lint, formatting, types, secrets, file endings, YAML
	$(BIN)/pre-commit run --all-files

lint: $(DEV) $(CHECKED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cfn-lint
	.venv/checkov/bin/checkov
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --no-progress --quiet .github

types: $(DEV)
	$(BIN)/mypy

format: $(DEV)  ## let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV)  ## the measurements of benchmarks/ (never part of the tests)
	@set -e; found=; for script in $(wildcard benchmarks/*.py); do found=1; echo "== $$script"; $(BIN)/python $$script; done; \
	if [ -z "$$found" ]; then echo "benchmarks/ holds no measurement yet" >&2; exit 1; fi

fuzz: $(DEV)  ## 10,000 random requests to a sagelocal of its own: none may break it (ARGS="--seed 7")
	$(BIN)/python tests/robustness/fuzz.py $(ARGS)

kill: $(DEV)  ## kill -9 a sagelocal of its own 100 times while pipelines run: nothing acknowledged may be lost
	$(BIN)/python tests/robustness/kill.py $(ARGS)

endure: $(DEV)  ## ten minutes of load on an endpoint of its own, five more while its workers are killed, then abuse
	$(BIN)/python tests/robustness/endpoints.py $(ARGS)

dashboard: $(PAGES)  ## pages over all of it, in a browser; Ctrl-C ends it (ARGS="--target aws")
	$(BIN)/mlops dashboard $(ARGS)

up: $(BASE)  ## start sagelocal
	$(BIN)/mlops up

down: $(BASE)  ## stop sagelocal
	$(BIN)/mlops down

status: $(BASE)  ## what runs, where its state is, recent executions
	$(BIN)/mlops status

demo-run: $(BASE)  ## only the pipeline: data to registered model
	$(BIN)/mlops run churn

demo-traffic: $(BASE)  ## replay held-out customers to the production endpoint, then shifted ones
	$(BIN)/mlops traffic churn
	$(BIN)/mlops traffic churn --shift

demo-monitor: $(BASE)  ## check the captured traffic for drift
	$(BIN)/mlops monitor churn --now --kind data-quality

install: $(BASE)  ## make .venv with what `make run` needs
install-dev: $(DEV)  ## make .venv with the tools for tests too

clean:  ## remove caches, build products and .venv (stop sagelocal first: make down)
	rm -rf .venv build reports *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.*
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

clean-state:  ## stop sagelocal and remove all that it made on this machine
	@if [ -x $(BIN)/mlops ]; then $(BIN)/mlops down; fi
	rm -rf .sagelocal

# uv resolves for every Python and platform of [tool.uv] at once. It lives in an environment of its own and installs nothing.
# One version a package, so the markers say nothing in a constraints file and are cut off.
lock:  ## refresh constraints.txt from setup.py (UPGRADE=1 takes the newest versions that fit)
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; $(find-python); \
	"$$python" -m venv "$$folder/venv"; "$$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	cp constraints.txt "$$folder/constraints.txt"; \
	"$$folder/venv/bin/uv" pip compile setup.py --quiet --universal --python-version 3.11 --fork-strategy fewest \
		--strip-extras --no-header --no-annotate $(addprefix --extra ,$(LOCK_EXTRAS)) $(if $(UPGRADE),--upgrade) \
		--output-file "$$folder/constraints.txt"; \
	sed 's/ ;.*//' "$$folder/constraints.txt" | sort -u > "$$folder/locked"; \
	twice=$$(cut -d = -f 1 "$$folder/locked" | uniq -d); \
	if [ -n "$$twice" ]; then echo "the lock needs two versions of: $$twice" >&2; exit 1; fi; \
	cp "$$folder/locked" constraints.txt

define find-python
python=; for name in $(PYTHONS); do \
	if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then python=$$name; break; fi; \
done; \
if [ -z "$$python" ]; then \
	echo "error: no Python 3.11 to 3.13 among: $(PYTHONS). Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; \
fi; \
if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	echo "error: $$python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
fi
endef

.venv/bin/python:
	@set -e; $(find-python); echo "making .venv with $$("$$python" --version)"; rm -rf .venv; "$$python" -m venv .venv

$(BASE): | .venv/bin/python
	@echo "installing the project into .venv (a few minutes the first time)"
	$(PIP_INSTALL) --editable .
	@$(COMPILE)
	@rm -f .venv/.installed-*; touch $@

$(PAGES): $(BASE)
	@if [ ! -e $(DEV) ]; then echo "installing Streamlit into .venv"; $(PIP_INSTALL) --editable '.[dashboard]'; $(COMPILE); fi
	@touch $@

$(DEV): | .venv/bin/python
	@echo "installing the project and its development tools into .venv (a few minutes the first time)"
	$(PIP_INSTALL) --editable '.[dev]'
	@$(COMPILE)
	@rm -f .venv/.installed-*; touch $@ $(BASE)

$(CHECKED): | .venv/bin/python
	@echo "installing $(CHECKOV) into .venv/checkov (less than a minute)"
	@rm -rf .venv/checkov; $(BIN)/python -m venv .venv/checkov
	@.venv/checkov/bin/python -m pip install --quiet --disable-pip-version-check --no-compile $(CHECKOV)
	@touch $@
