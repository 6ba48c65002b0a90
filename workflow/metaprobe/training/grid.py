"""The entries of a grid of hyperparameters, and which of them are one and the same training."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from metaprobe.training.optimizers import MOMENTUM_OPTIMIZERS

HYPERPARAMETERS = (
    "learning_rate",
    "optimizer",
    "batch_size",
    "weight_decay",
    "momentum",
    "dropout_rate",
    "label_smoothing",
    "grad_clip",
    "epochs",
)
Configuration = dict[str, Any]


def expand(grid: dict[str, Any]) -> list[Configuration]:
    """Return every combination of the values of HYPERPARAMETERS, the last varying fastest.

    Args:
        grid: list of values by hyperparameter; other keys are not looked at.
    """
    values = [grid[name] for name in HYPERPARAMETERS]
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
    if configuration["optimizer"] in MOMENTUM_OPTIMIZERS:
        return configuration
    return configuration | {"momentum": 0.0}
