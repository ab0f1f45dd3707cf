# Every target does its own set-up, and is quick when that is already done.
#   make demo     the demonstration: pictures and certificates in splinecam-exact-demo/
#   make test     lint, format, types, all tests
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: venv demo test lint format bench clean

venv: $(READY)

# The constraints pin torch: pip takes its CPU build where one is at hand, and PyPI's own build otherwise.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[all,dev]"
	@touch $@

demo: venv
	$(BIN)/splinecam-exact demo

# Two processes, each with one thread: threads of several processes get in each other's way.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

lint: venv
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: venv
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: venv
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis splinecam-exact-demo
	find . -name __pycache__ -prune -exec rm -rf {} +
