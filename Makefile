# make install   build .venv with the pinned versions (every other target does it first)
# make demo      train five families on handwritten digits and write the comparison
# make check     lint, formatting, types, import directions
# make test      the checks, then the whole test suite
# make docs      build the documentation site into build/site/html
# make notebooks write notebooks/*.ipynb from their text sources, notebooks/*.py
# make format    let ruff rewrite what `make check` would complain about
# make clean     remove .venv and the tools' caches (runs stay)
#
# Variables: PYTHON=python3.12 (install)  ARGS='--seed 1' (demo)  WORKERS=4 TESTS=tests/nn (test)

PYTHON ?= python3
WORKERS ?= 2
TESTS ?=
ARGS ?=

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := install
.PHONY: install demo check lint test docs notebooks format clean

BIN := .venv/bin
STAMP := .venv/.installed

# Drops only pip's remark on each empty folder of a configured index; all else on stderr stays, and
# pipefail keeps pip's exit status.
PIP = { $(BIN)/python -m pip install -q --disable-pip-version-check --no-compile -c constraints.txt \
	$(1) 2>&1 >&3 3>&- | sed '/^WARNING: Location .* is ignored/d' >&2; } 3>&1

# The stamp holds the folder it was made in: a checkout that was copied or moved installs again.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

install: $(STAMP)
	@:

# In a variable: a comma would end the argument of a call.
ITSELF := .[dev,features,processes,hub,studio,track,fast,emoji,text]

# The build backend comes first, and isolation is off, so that its version is pinned too. Bytecode is
# compiled at the end on all cores (pip uses one); templates that are no valid Python do not matter.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	"Genarium needs Python 3.11 or newer: name one, e.g. make install PYTHON=python3.11")'
	@echo "Installing the pinned packages into .venv (PyTorch is large: minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear .venv
	@$(call PIP,hatchling editables)
	@$(call PIP,--no-build-isolation -e '$(ITSELF)')
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	@echo "$(CURDIR)" > $(STAMP)
	@echo "Installed. Next: make demo, make test, or $(BIN)/genarium --help"

demo: $(STAMP)
	@$(BIN)/genarium demo $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

check: lint
	$(BIN)/python -m pytest tests/test_imports.py

# One thread a worker: torch would otherwise start a thread a core in each of them.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

docs: $(STAMP)
	@$(call PIP,--no-build-isolation -e '.[docs]')
	$(BIN)/python tools/site/build.py

notebooks: $(STAMP)
	@$(BIN)/python tools/notebooks.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
