# make demo   everything once on a small generated set      make demo DATASET=folder   all but score on your video
# make test   all tests that this machine can run           make help                  all targets

PYTHON ?= python3
BIN := .venv/bin
MNAD := $(BIN)/python cli.py

# The demo's knobs. A name of its own for each dataset keeps their shards and runs apart.
DATASET ?=
NAME := $(if $(DATASET),$(notdir $(abspath $(DATASET))),demo)
SIZE ?= 48
EPOCHS ?= 3
BATCH ?= 4
LABELS ?=

.PHONY: help venv demo picture options test test-fast coverage lint types check bench gpu gpu-wheels clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

venv: .venv/test-ready  ## make .venv with everything the project needs

# torch first: what asks for torch later then takes the one that is there.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/test-ready: .venv/ready
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/ready  ## preprocess, train, evaluate and score a generated set; DATASET=folder [LABELS=file SIZE=48 EPOCHS=3]: all but score
ifeq ($(DATASET),)
	@test -e data/demo/videos/frame_labels.npy || { rm -rf data/demo/videos; $(MNAD) synthesize data/demo/videos; }
endif
	$(MNAD) preprocess $(or $(DATASET),data/demo/videos) data/$(NAME)/shards --size $(SIZE) $(if $(LABELS),--labels $(LABELS))
	$(MNAD) train data/$(NAME)/shards runs/$(NAME)-untrained --epochs 0
	$(MNAD) train data/$(NAME)/shards runs/$(NAME) --epochs $(EPOCHS) --batch-size $(BATCH)
	@echo; echo "== the network before training"
	$(MNAD) evaluate data/$(NAME)/shards runs/$(NAME)-untrained
	@echo; echo "== after training"
	$(MNAD) evaluate data/$(NAME)/shards runs/$(NAME)
ifeq ($(DATASET),)
	@echo; echo "== alarms: what the seconds of video that were kept aside promise, and a rate high enough for them"
	$(MNAD) calibrate runs/demo
	$(MNAD) calibrate runs/demo --alarms-per-hour 1000
	$(MNAD) score data/demo/videos/testing/videos/01.mp4 --checkpoint runs/demo --out runs/demo/scored
endif

# Of a longer video of the demo's scene, calibrated on three minutes of it in place of the demo's 11 seconds.
picture: .venv/ready  ## docs/demo.png, after make demo
	@test -e data/demo/long/frame_labels.npy || $(MNAD) synthesize data/demo/long --frames 240 --training-clips 1 --testing-clips 1
	@test -e data/demo/normal/frame_labels.npy || $(MNAD) synthesize data/demo/normal --frames 700 --training-clips 4 --testing-clips 1
	$(MNAD) calibrate runs/demo data/demo/normal/training/videos --alarms-per-hour 60
	$(BIN)/python studies/demo_picture.py data/demo/long/testing/videos/01.mp4 runs/demo docs/demo.png --at 2 4.5 9 12

options: .venv/test-ready  ## docs/options.md from the options that the commands declare
	$(BIN)/python -c 'import cli, pipeline.terminal.option_tables as t; print(t.option_tables(cli.main), end="")' > docs/options.md

# Tests start thousands of processes: each starts 0.5 of 2.9 s sooner where the code was compiled once.
test test-fast: export PYTHONDONTWRITEBYTECODE =
test: .venv/test-ready  ## all tests that this machine can run, on all its cores
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

test-fast: .venv/test-ready  ## the tests that are neither slow nor of several processes nor of a GPU (7 minutes on two cores)
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m "not slow and not ddp and not gpu"

# Python starts coverage in each process that finds these two variables: tests, their workers, the commands they run.
coverage: export COVERAGE_PROCESS_START = $(CURDIR)/pyproject.toml
coverage: export COVERAGE_FILE = $(CURDIR)/.coverage
coverage: .venv/test-ready  ## all tests, and which lines they run; fails below the floor in pyproject.toml
	$(BIN)/coverage erase
	$(MAKE) test
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: .venv/test-ready  ## style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/test-ready  ## types, strict
	$(BIN)/mypy

check: lint types test  ## everything that must be green

bench: .venv/test-ready  ## speed of every stage, as ratios to the plain way and to the limit, and an hour of watch
	$(BIN)/python benchmarks/preprocess.py
	$(BIN)/python benchmarks/dask_engine.py
	$(BIN)/python benchmarks/stream.py
	$(BIN)/python benchmarks/train.py
	$(BIN)/python benchmarks/flags.py
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/figures.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/soak.py --faults --out artifacts/soak
	$(BIN)/python benchmarks/reconnects.py
	$(BIN)/python benchmarks/many_frames.py

# Runs with the Python it finds, not with .venv: a GPU machine has a torch of its own. OPTIONS go to gpu.py.
gpu:  ## what only a GPU can show: make gpu PED2=folder
	$(PYTHON) benchmarks/gpu.py $(PED2) $(OPTIONS)

gpu-wheels:  ## what a GPU machine lacks, into wheels/: make gpu-wheels [GPU_PYTHON=3.12]
	$(PYTHON) benchmarks/gpu_wheels.py $(if $(GPU_PYTHON),--python $(GPU_PYTHON))

clean:  ## remove the environment and what was generated
	rm -rf .venv data runs artifacts wheels
