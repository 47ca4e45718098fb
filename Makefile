# Every target makes the virtual environment first; nothing else has to be installed or set.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Also where a container forbids it: else each process of the tests compiles the same source files again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo report doctor docs test coverage test-slow test-core test-newest lint format bench clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "jax_s4rl needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,minari]'
	@touch $@

demo: $(READY)
	$(BIN)/python -m experiments.demo

doctor: $(READY)
	$(BIN)/python -m jax_s4rl.cli.doctor

report: $(READY)
	$(BIN)/python -m experiments.report

# The pages, with search and API, in build/site; a broken link or a warning is an error.
docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict --clean
	@echo "look at it: $(BIN)/python -m http.server --directory build/site (the search needs a server)"

# XLA compiles in a hurry (tests/quick_compile.py), but not for the long sequences, whose bounds on rounding hold for
# programs as a user's.
HURRY := -p tests.quick_compile
LONG_ROWS := tests/benchmarks/test_long_sequences.py
# Two workers; one that has nothing left takes tests of the other.
PYTEST := -m pytest -n 2 --dist worksteal

test: $(READY)
	$(BIN)/python $(PYTEST) $(HURRY) -m 'not slow and not gpu'

test-slow: $(READY)
	UNCHECKED_SHAPES=1 $(BIN)/python $(PYTEST) -m 'slow and not gpu' $(LONG_ROWS)
	UNCHECKED_SHAPES=1 $(BIN)/python $(PYTEST) $(HURRY) -m 'slow and not gpu' --ignore $(LONG_ROWS)

# Statements that the fast tests run, also in processes that they start; a row, and a table in docs/faults.md.
coverage: $(READY)
	rm -rf build/coverage
	$(BIN)/python -m coverage run $(PYTEST) $(HURRY) -p tests.kept_coverage -m 'not slow and not gpu'
	$(BIN)/python -m tests.statement_coverage

# The part of the tests that a new JAX can break; most of tests/data is NumPy alone.
CORE := tests/test_self_test.py tests/kernels tests/modules tests/models tests/training \
  $(shell grep -lE '^(import jax$$|import jax\.|from jax )' tests/data/test_*.py)

test-core: $(READY)
	$(BIN)/python $(PYTEST) $(HURRY) -m 'not slow and not gpu' $(CORE)

# The same with the newest Python and JAX at hand, in a virtual environment of its own.
test-newest:
	@newest=$$(.ci/newest-python); if [ -n "$$newest" ]; then \
	  UNCHECKED_SHAPES=1 $(MAKE) test-core PYTHON="$$newest" VENV=.venv-newest; \
	else echo "skipped: the tests with the newest JAX need Python 3.12 or 3.13, and there is none"; fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# All benchmarks; `make bench QUICK=--quick` for a short look.
bench: $(READY)
	$(BIN)/python -m benchmarks $(QUICK)

clean:
	rm -rf $(VENV) .venv-newest runs build/site
