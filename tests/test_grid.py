"""Grids: every combination once, and what coincides trained once."""

import math
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from metaprobe.config.load import read_strictly
from metaprobe.training.grid import HYPERPARAMETERS, distinct, expand
from metaprobe.training.optimizers import OPTIMIZERS

CONFIG = Path(__file__).parent.parent / "config"
COMMON = {"dropout_rate": [0.0], "label_smoothing": [0.0], "grad_clip": [0.0], "epochs": [3]}
VALUES = {name: st.sampled_from([0.0, 0.1, 0.5]) for name in HYPERPARAMETERS} | {
    "optimizer": st.sampled_from(list(OPTIMIZERS))
}
grids = st.fixed_dictionaries(
    {name: st.lists(value, min_size=1, max_size=3, unique=True) for name, value in VALUES.items()}
)


def trains_as(entry: dict[str, Any]) -> tuple[Any, ...]:
    """What decides an entry's head, written anew."""
    unused = "momentum" if entry["optimizer"] in ("Adam", "AdamW", "Adagrad") else None
    return tuple(value for name, value in sorted(entry.items()) if name != unused)


@given(grids)
def test_expand_is_the_product_in_the_order_of_the_lists(grid: dict[str, list[Any]]) -> None:
    """An entry lost, doubled, or at a place that depends on something else than the grid."""
    entries = expand(grid)
    assert len(entries) == math.prod(len(values) for values in grid.values())
    places = [[grid[name].index(entry[name]) for name in HYPERPARAMETERS] for entry in entries]
    assert places == sorted(places)
    assert len({tuple(place) for place in places}) == len(entries)


@given(grids)
def test_distinct_trains_each_head_once_and_gives_each_entry_its_own(
    grid: dict[str, list[Any]],
) -> None:
    """Two trainings of one head, or a row with the metrics of another head."""
    entries = expand(grid)
    trainings, training_of_entry = distinct(entries)
    assert len({trains_as(training) for training in trainings}) == len(trainings)
    assert len(training_of_entry) == len(entries)
    for entry, index in zip(entries, training_of_entry, strict=True):
        assert trains_as(entry) == trains_as(trainings[index])
    assert set(training_of_entry) == set(range(len(trainings)))


@given(grids)
def test_trainings_do_not_depend_on_which_momenta_are_written(grid: dict[str, list[Any]]) -> None:
    """Another product, hence other rounding, for Adam because SGD has another list of momenta."""
    grid["optimizer"] = ["Adam", "Adagrad"]
    trainings, _ = distinct(expand(grid))
    assert trainings == distinct(expand(grid | {"momentum": [0.0]}))[0]


def test_the_shipped_grid_is_the_documents() -> None:
    """Another number of entries than the 5,760 that were said to be impossible."""
    grid = read_strictly(CONFIG / "grid.yaml")["grid"]
    entries = expand(grid | COMMON)
    assert len(entries) * len(grid["architecture"]) == 5760
    assert len(distinct(entries)[0]) * len(grid["architecture"]) == 3600
