# Set up the environment and run the demo, the tests, the checks.

# The first that is new enough: tarfile's checks of archives came with 3.11.4.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11, 4))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c '$(NEW_ENOUGH)' 2> /dev/null && command -v $$name && break; done)
CORES ?= 2
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup development demo test test-slow test-long check timings bench lock clean

setup: .venv/installed
development: .venv/development

# A .venv that is there is filled up, not replaced: what it has that fits stays.
.venv/installed: pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' || { echo "metaprobe needs Python 3.11.4 or newer; make PYTHON=... names one"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable ".[slurm]"
	@touch $@

.venv/development: .venv/installed
	$(INSTALL) --editable ".[dev]"
	@touch $@

demo: setup
	$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml
	@$(BIN)/python -c 'import pandas as p; print(p.read_csv("results/demo/target_representations.csv").to_string(na_rep="", index=False))'
	@$(BIN)/python -m metaprobe.demo.photographs "results/demo/new/Two photographs"
	$(BIN)/metaprobe recommend "results/demo/new/Two photographs" --cores $(CORES) --configfile config/demo.yaml

test: development
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile -m "not slow"

test-slow: development
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile -m "slow and not long" --ignore tests/test_slurm.py
	$(BIN)/python -m pytest -m "slow and not long" tests/test_slurm.py

test-long: development
	$(BIN)/python -m pytest -m long

check: development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

timings: setup
	$(BIN)/python benchmarks/demo_timings.py $(CORES)

bench: development
	$(BIN)/python -W ignore -m benchmarks.bench

# Pin what pyproject.toml asks for to the newest versions that go together.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet ".[dev]"
	.venv-lock/bin/python -m pip freeze --exclude metaprobe > constraints.txt
	rm -r .venv-lock

clean:
	rm -rf .venv results/demo
