"""Grids: every combination once, and what coincides trained once."""

import math
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from metaprobe.config.conditions import OPTIMIZER_OPTIONS
from metaprobe.config.configurations import Grid
from metaprobe.config.reading import read_strictly
from metaprobe.training.sweep import HYPERPARAMETERS, distinct, expand

CONFIG = Path(__file__).parent.parent / "config"
VALUES = {name: st.sampled_from([0.0, 0.1, 0.5]) for name in HYPERPARAMETERS} | {
    "optimizer": st.sampled_from(list(OPTIMIZER_OPTIONS))
}
AT_ONCE = 5  # keys with several values; with all of them, a product has millions of entries


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Grids of at most 3 ** AT_ONCE entries."""
    varied = draw(st.sets(st.sampled_from(list(VALUES)), max_size=AT_ONCE))
    lists = {
        name: draw(st.lists(value, min_size=1, max_size=3 if name in varied else 1, unique=True))
        for name, value in VALUES.items()
    }
    return Grid.model_construct(**lists | {"architecture": ["ResNet18"]})


def trains_as(entry: dict[str, Any]) -> tuple[Any, ...]:
    """What decides an entry's head, written anew."""
    unused = {"patience", "min_delta", "monitor"}  # read off the curves
    unused |= {"momentum"} if entry["optimizer"] in ("Adam", "AdamW", "Adagrad") else set()
    return tuple(value for name, value in sorted(entry.items()) if name not in unused)


@given(grids())
def test_expand_is_the_product_in_the_order_of_the_lists(grid: Grid) -> None:
    """An entry lost, doubled, or at a place that depends on something else than the grid."""
    entries = expand(grid)
    assert len(entries) == math.prod(len(values) for values in grid.values().values())
    places = [
        [grid.values()[name].index(entry[name]) for name in HYPERPARAMETERS] for entry in entries
    ]
    assert places == sorted(places)
    assert len({tuple(place) for place in places}) == len(entries)


@given(grids())
def test_distinct_trains_each_head_once_and_gives_each_entry_its_own(
    grid: Grid,
) -> None:
    """Two trainings of one head, or a row with the metrics of another head."""
    entries = expand(grid)
    trainings, training_of_entry = distinct(entries)
    assert len({trains_as(training) for training in trainings}) == len(trainings)
    assert len(training_of_entry) == len(entries)
    for entry, index in zip(entries, training_of_entry, strict=True):
        assert trains_as(entry) == trains_as(trainings[index])
    assert set(training_of_entry) == set(range(len(trainings)))


@given(grids())
def test_trainings_do_not_depend_on_which_momenta_are_written(grid: Grid) -> None:
    """Another product, hence other rounding, for Adam because SGD has another list of momenta."""
    grid = grid.model_copy(update={"optimizer": ["Adam", "Adagrad"]})
    trainings, _ = distinct(expand(grid))
    assert trainings == distinct(expand(grid.model_copy(update={"momentum": [0.0]})))[0]


def test_the_shipped_grid_is_the_documents() -> None:
    """Another number of entries than the 5,760 that were said to be impossible."""
    grid = Grid.model_validate(read_strictly(CONFIG / "grid.yaml")["grid"])
    entries, architectures = expand(grid), grid.values()["architecture"]
    assert len(entries) * len(architectures) == 5760
    assert len(distinct(entries)[0]) * len(architectures) == 3600
