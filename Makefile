# Two commands: `make repro` runs the pipeline, `make test` checks the project.

PYTHON ?= python3
BIN := .venv/bin
# dvc starts `python` for each stage: let that be ours.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test check-data inspect attend export export-model table2 table3 ablation compare gpu-check bench environment lock

repro: environment
	dvc repro

test: environment
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# Is the data of the preset in params.yaml sound? Before any hour is spent on it.
check-data: environment
	python -m twinstroke.index.check_data

# Do the crops hold the player? Pictures, after the stage segment: make inspect COUNT=20, or of
# samples by their ids: make inspect SAMPLES="video:0-80 video:120-300"
inspect: environment
	python -m twinstroke.inspection $(if $(COUNT),--count $(COUNT)) $(SAMPLES)

# Where do the attention blocks look in samples of your choice? After the stage evaluate:
# make attend SAMPLES="video:0-80 video:120-300"
attend: environment
	python -m twinstroke.attend $(SAMPLES)

# The strokes as csv, mediaeval or elan, for other programs: make export FORMAT=elan
export: environment
	python -m twinstroke.export $(FORMAT)

# The trained network as ONNX, for programs without Python. After the stage train.
export-model: environment
	python -m twinstroke.export_model

# The grids of the paper, each row a DVC experiment: make ablation PRESET=mine EPOCHS=20, and with
# several GPUs JOBS=4
PRESET ?= demo
table2 table3 ablation: environment
	python -m experiments $@ --preset $(PRESET) $(if $(EPOCHS),--epochs $(EPOCHS)) \
		$(if $(JOBS),--jobs $(JOBS))

# Is one experiment better than another? Sample by sample: make compare REVS="HEAD attention3", and
# if you like SPLIT=validation DECISION=mean
compare: environment
	python -m experiments.compare --preset $(PRESET) $(if $(SPLIT),--split $(SPLIT)) \
		$(if $(DECISION),--decision $(DECISION)) $(REVS)

# Does training repeat to the bit on this GPU, and how fast is it?
gpu-check: environment
	python -m twinstroke.gpu_check

# What pre-processing and training cost, into docs/performance.md: make bench, with your footage VIDEO=path
bench: environment
	python -m benchmarks

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
