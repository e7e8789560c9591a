# Two commands: `make repro` runs the pipeline, `make test` checks the project. Both make the
# environment first; all else is done by `twinstroke` and `dvc` in it.

PYTHON ?= python3
BIN := .venv/bin
# dvc starts `python` for each stage: let that be ours.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test types tests environment lock

repro: environment
	dvc repro

test: environment
	ruff check .
	ruff format --check .
	lint-imports
	@$(MAKE) --no-print-directory --jobs types tests

types:
	mypy

tests:
	pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder --durations 20

environment: .venv/finished

.venv/finished: pyproject.toml requirements.lock requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'twinstroke needs Python 3.11 or newer; say which: make PYTHON=python3.13 $(MAKECMDGOALS)'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
		-c requirements.lock -c requirements-dev.lock -e '.[dev,onnx]'
	@touch $@

# Pins all that pyproject.toml asks for, for all Pythons and systems, after a change of it: what runs the
# pipeline, and apart from it what only checks the project or exports networks, so that a new linter
# retrains nothing. To
# move to newer versions: make lock UPGRADE=--upgrade, or UPGRADE="--upgrade-package numpy".
LOCK := uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml
lock: environment
	$(LOCK) $(UPGRADE) --output-file requirements.lock
	$(LOCK) --extra onnx --extra dev $(UPGRADE) -c requirements.lock --output-file requirements-dev.lock
