# Terzi. `make quickstart` shows the whole idea, `make test` proves it; both make .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
ARGS ?=
export DATA
WORKERS ?= 2
export PYTHONUNBUFFERED = 1
# What Python compiles is kept: else each of the many processes of the tests would compile all of the project again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-dev quickstart test test-long test-slurm lint cluster cluster-down wheelhouse clean
help:
	@echo "make quickstart            corpus, tokenizer, encoder, retrieval at every checkpoint: about 7 minutes on 2 cores"
	@echo "make quickstart DATA=dir   the same on your own .txt .md .jsonl .parquet"
	@echo "make quickstart ARGS='train.steps=50 seed=1'   either with any keys of the configuration; a blank within a value"
	@echo "                           is quoted as in a shell: ARGS='\"runs_dir=my runs\"', DATA='my texts'"
	@echo "make test                  every test that needs no SLURM (at most 12 minutes on 2 cores)"
	@echo "make test-long             what takes long: whole runs killed and continued, recipes at their width, full disks, golden results,"
	@echo "                           and exports as transformers 4 reads them, which it installs into build/ (at most 10 minutes)"
	@echo "make test-slurm            the others, on a SLURM cluster that they boot (about 25 minutes)"
	@echo "make cluster               boot a small SLURM on this machine, to try jobs on; make cluster-down stops it"
	@echo "make wheelhouse            the packages of requirements.lock as files in wheels/, for nodes that cannot install"
	@echo "make setup                 only .venv, from requirements.lock"
	@echo "make lint                  ruff"
	@echo "make clean                 remove data/quickstart and runs/quickstart"

$(VENV)/.setup: requirements.lock setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Terzi needs CPython 3.11 to 3.13, $(PYTHON) is %d.%d: make PYTHON=python3.12 ..." % v)'
	@echo "Installing the pinned packages of requirements.lock into $(VENV): about 1 GB to unpack with a CPU build of torch."
	@echo "The default index serves torch with CUDA, several GB; for the CPU build set PIP_EXTRA_INDEX_URL to PyTorch's CPU index first."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.setup
	@echo "ready: . $(BIN)/activate, then python -m jobs.train --help"
setup-dev: $(VENV)/.setup-dev

quickstart: setup
ifeq ($(DATA),)
	$(BIN)/python -m jobs.pipeline experiment=quickstart $(ARGS)
else
	@quoted() { printf "'%s'" "$$(printf %s "$$1" | sed "s/'/\\\\'/g")"; }; \
	case "$$DATA" in /*) folder=$$DATA ;; *) folder=$$PWD/$$DATA ;; esac; \
	name=$$(quoted "own/$$(basename -- "$$folder")"); folder=$$(quoted "$$folder"); set -x; \
	$(BIN)/python -m jobs.pipeline experiment=quickstart "name=$$name" "quickstart.folder=$$folder" $(ARGS)
endif

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest -m "not slurm and not long" -n $(WORKERS) --dist loadfile

test-long: setup-dev
	$(BIN)/python -m pytest -m long -n $(WORKERS) --dist loadfile

test-slurm: setup-dev
	$(BIN)/python -m pytest -m slurm

cluster:
	@slurm/dev_cluster/up.sh

cluster-down:
	@slurm/dev_cluster/down.sh

clean:
	rm -rf data/quickstart runs/quickstart

wheelhouse: setup
	$(BIN)/python -m jobs.fetch "fetch.wheelhouse='$(abspath $(or $(WHEELS),wheels))'"
