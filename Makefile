# Two commands: `make repro` runs the pipeline, `make test` checks the project. Both make the
# environment first; all else is done by `twinstroke` and `dvc` in it.

PYTHON ?= python3
BIN := .venv/bin
# dvc starts `python` for each stage: let that be ours.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test environment lock

repro: environment
	dvc repro

test: environment
	ruff check .
	ruff format --check .
	mypy
	pytest --numprocesses auto --maxprocesses 4 --dist loadfile

environment: .venv/finished

.venv/finished: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || \
		{ echo 'twinstroke needs Python 3.11 or 3.12; say which: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c requirements.lock -e '.[dev,onnx]'
	@touch $@

# Pins what the direct dependencies pull in, after a change of pyproject.toml.
lock: environment
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock
