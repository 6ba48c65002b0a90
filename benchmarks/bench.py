"""`make bench`: one table of what the design gains on this machine, every figure beside its bar."""

import importlib.util
import json
import subprocess
import sys
from typing import Any

from benchmarks import extraction, heads

ROUNDS = 2
TASKS, CONFIGURATIONS = 30, 6
TRAIN, TEST, EPOCHS = 5000, 1000, 3
GRID_ENTRIES, GRID_DISTINCT = 5760, 3600
CLASSES_OF_ALL_TASKS = 2276  # config/datasets.yaml, summed; a test holds it
MEAN_GRID_BATCH_COST = 1.3  # of a head over the grid's batch sizes against batch 64, see below


def run_way(*arguments: str) -> dict[str, Any]:
    """What `benchmarks/experiments.py` prints."""
    command = [sys.executable, "-m", "benchmarks.experiments", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome
