"""The entries of a grid of hyperparameters, and which of them are one and the same training."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from metaprobe.config.configurations import IN_GRID, OF_SOME_OPTIMIZERS, OPTIMIZER_OPTIONS, Grid

# An architecture is trained by a job of its own: its features are other inputs.
HYPERPARAMETERS = tuple(name for name in IN_GRID if name != "architecture")
Configuration = dict[str, Any]


def expand(grid: Grid) -> list[Configuration]:
    """Return every combination of the values of HYPERPARAMETERS, the last varying fastest."""
    values = [grid.values()[name] for name in HYPERPARAMETERS]
    return [
        dict(zip(HYPERPARAMETERS, chosen, strict=True)) for chosen in itertools.product(*values)
    ]


def distinct(entries: Sequence[Configuration]) -> tuple[list[Configuration], list[int]]:
    """Return the entries that train differently, and for each entry the index of its training among them."""
    indices: dict[str, int] = {}
    trainings: list[Configuration] = []
    training_of_entry = []
    for entry in entries:
        training = without_effectless(entry)
        key = json.dumps(training, sort_keys=True)
        if key not in indices:
            indices[key] = len(trainings)
            trainings.append(training)
        training_of_entry.append(indices[key])
    return trainings, training_of_entry


def without_effectless(configuration: Configuration) -> Configuration:
    """Return the configuration with what means nothing to its optimiser at 0: it trains the same head."""
    own = OPTIMIZER_OPTIONS[configuration["optimizer"]]
    return configuration | {name: 0.0 for name in OF_SOME_OPTIMIZERS if name not in own}
