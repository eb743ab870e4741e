# Two commands do all the set-up: `make demo` and `make test`. Everything is installed into .venv, with hashes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo serve test soak bench lint docs lock clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

$(READY): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## run the whole pipeline on a simulated estate and show what each job cost
	$(BIN)/chargeback demo

serve: $(READY) ## the same, and leave the stack up for your own queries
	$(BIN)/chargeback demo --serve

test: $(READY) ## run every test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

soak: $(READY) ## kill 200 collecting runs at random moments, and see each healed
	SOAK_KILLS=200 $(BIN)/python -m pytest --numprocesses 2 tests/end_to_end/test_kills.py

bench: $(READY) ## measure collecting against the least that it could cost, and write docs/performance.md
	$(BIN)/python -m benchmarks.run --output docs/performance.md

lint: $(READY) ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY) ## write the generated pages of docs/ again
	$(BIN)/python -m pipeline.dictionary > docs/data-dictionary.md
	$(BIN)/python -m pipeline.settings > docs/settings.md

lock: ## compile the locks again from pyproject.toml (needs uv)
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	  pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	  --extra dev --constraints requirements.lock pyproject.toml --output-file requirements-dev.lock

clean: ## remove what make and the tests left
	rm -rf $(VENV) chargeback-demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
