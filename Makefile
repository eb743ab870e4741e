# Two commands do all the set-up: `make demo` and `make test`. Everything is installed into .venv, with hashes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# FOCUS's validator has an environment of its own: it needs Python 3.12 or 3.13, and libraries older than ours.
FOCUS_VENV   := .venv-focus
FOCUS_READY  := $(FOCUS_VENV)/.ready
FOCUS_PYTHON ?= $(shell for python in python3.12 python3.13 $(PYTHON); do \
  $$python -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
  && { echo $$python; break; }; done)

# Trino's client and the Java that runs its server: only `make trino` needs them.
TRINO_READY := $(VENV)/.ready-trino

.DEFAULT_GOAL := help
.PHONY: help demo serve test trino trino-environment soak bench reading lint focus focus-environment docs examples lock clean

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

test: $(READY) ## run every test but those of make trino
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

trino: trino-environment ## run the same SQL on a real Trino, and compare (needs Maven once, to fetch it)
	$(BIN)/python -m pytest -m trino tests/trino

trino-environment: $(TRINO_READY)
	$(BIN)/python -m tests.trino.installation

$(TRINO_READY): $(READY) tests/trino/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --requirement tests/trino/requirements.lock
	@touch $@

soak: $(READY) ## kill 200 collecting runs at random moments, and see each healed
	SOAK_KILLS=200 $(BIN)/python -m pytest --numprocesses 2 tests/end_to_end/test_kills.py

bench: $(READY) ## measure collecting against the least that it could cost, and write docs/performance.md
	$(BIN)/python -m benchmarks.run --output docs/performance.md

reading: trino-environment ## measure what the SQL reads against the least that it could, and write docs/reading.md
	$(BIN)/python -m benchmarks.reading.run --output docs/reading.md --examples docs/examples.md

lint: $(READY) ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

focus: $(READY) $(FOCUS_READY) ## validate the demo's emr_costs_focus with FOCUS's own validator
	$(BIN)/python -m focus.run --environment $(FOCUS_VENV)

focus-environment: $(FOCUS_READY)

$(FOCUS_READY): focus/build.lock focus/requirements.lock
	@test -n "$(FOCUS_PYTHON)" || { echo "The FOCUS validator needs Python 3.12 or 3.13, and none is on the PATH;" \
	  "name one: make FOCUS_PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	$(FOCUS_PYTHON) -m venv --clear $(FOCUS_VENV)
	$(FOCUS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --requirement focus/build.lock
	$(FOCUS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --no-deps --no-build-isolation --requirement focus/requirements.lock
	@touch $@

docs: $(READY) ## write the generated pages of docs/ again
	$(BIN)/python -m pipeline.dictionary > docs/data-dictionary.md
	$(BIN)/python -m pipeline.settings > docs/settings.md
	$(BIN)/python -m pipeline.examples docs > docs/examples.new && mv docs/examples.new docs/examples.md

examples: $(READY) ## ask the demo the example queries and the notebook, and keep its answers in docs/
	WRITE_ANSWERS=1 $(BIN)/python -m pytest tests/end_to_end/test_demo_examples.py tests/end_to_end/test_notebook.py
	$(MAKE) docs

lock: ## compile the locks again from pyproject.toml and the *.in (needs uv)
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	  pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	  --extra dev --constraints requirements.lock pyproject.toml --output-file requirements-dev.lock
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	  --constraints requirements-dev.lock requirements-build.in --output-file requirements-build.lock
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	  --constraints requirements-dev.lock tests/trino/requirements.in --output-file tests/trino/requirements.lock
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.12 \
	  focus/build.in --output-file focus/build.lock
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.12 \
	  --constraints focus/build.lock --overrides focus/overrides.in focus/requirements.in \
	  --output-file focus/requirements.lock

clean: ## remove what make and the tests left
	rm -rf $(VENV) $(FOCUS_VENV) chargeback-demo test-artefacts build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
