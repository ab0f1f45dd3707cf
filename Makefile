# Every target does its own set-up, and is quick when that is already done.
#   make demo     the demonstration: pictures and certificates in splinecam-exact-demo/
#   make test     lint, format, types, all tests
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# PyPI's torch for Linux brings gigabytes of CUDA. A CPU build is installed where pip is set up to find one (name an
# index that has it in PIP_EXTRA_INDEX_URL, or a folder in PIP_FIND_LINKS); otherwise torch is left out, and the tests
# that need it are skipped.
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
WITHOUT_TORCH := onnx,plot,proofs,testing,distributed,dev

.PHONY: venv demo test lint format bench clean

venv: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	@if [ "$$(uname -s)" != Linux ] || $(BIN)/pip index versions torch 2>/dev/null | grep -qF '$(TORCH)+cpu'; \
	then extras=all,dev; \
	else extras=$(WITHOUT_TORCH); echo "no CPU build of torch $(TORCH) in reach of pip: left out"; fi; \
	set -x; $(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[$$extras]"
	@touch $@

demo: venv
	$(BIN)/splinecam-exact demo

test: lint
	$(BIN)/pytest

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
