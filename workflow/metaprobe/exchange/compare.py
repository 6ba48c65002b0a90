"""Two runs against each other: which accuracies moved by more than test images and seeds explain."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metaprobe.config.configurations import HYPERPARAMETERS, RECIPE_DEFAULTS
from metaprobe.core.arrays import Arrays, read_arrays
from metaprobe.exchange.holdings import Item, without
from metaprobe.exchange.merge import differences
from metaprobe.tables.statistics import CONFIDENCE, difference, holm, mid_p

Experiment = tuple[str, str]  # data set and configuration
SETTINGS = (
    *("seed", "engine", "precision", "device", "weights", "sampling", "split", "preprocessing"),
    *("train_images", "test_images", "subset_sha256", "pixels_sha256", "versions", "git_commit"),
    *("read_as", "family", "class_count"),
)


@dataclass(frozen=True)
class Row:
    """One experiment that both runs have.

    Attributes:
        first, second: test accuracies.
        loss: by how much the test loss rose.
        low, high: 95 % interval of the difference of the accuracies, over test images.
        images_p: that other test images would explain it.
        seeds_p: that other seeds would; None where a run has one replicate.
        holm_p: the greater of the two, corrected for the number of experiments.
        paired: both saw the same test images.
        same: nothing of what came out differs.
    """

    task_id: str
    configuration: str
    first: float
    second: float
    loss: float
    low: float
    high: float
    images_p: float
    seeds_p: float | None
    paired: bool
    same: bool
    holm_p: float = 1.0

    @property
    def difference(self) -> float:
        """By how much the accuracy rose."""
        return self.second - self.first

    @property
    def verdict(self) -> str:
        """`same`, `moved`, or `not told apart`."""
        if self.same:
            return "same"
        return "moved" if self.holm_p < 1 - CONFIDENCE else "not told apart"


@dataclass(frozen=True)
class Compared:
    """Two runs.

    Attributes:
        names: of the runs.
        settings: name, both values, and of how many experiments they differ so.
        rows: the experiments of both, those first that moved most surely.
        alone: those that only the first has, and only the second.
    """

    names: tuple[str, str]
    settings: Sequence[tuple[str, str, str, int]]
    rows: Sequence[Row]
    alone: tuple[Sequence[Experiment], Sequence[Experiment]]


def compare(first: Sequence[Item], second: Sequence[Item], names: tuple[str, str]) -> Compared:
    """Compare two runs by their fragments and predictions.

    Raises:
        UserError: a file is damaged.
    """
    two = [_by_experiment(items, "fragment") for items in (first, second)]
    said = [_by_experiment(items, "predictions") for items in (first, second)]
    both = [one for one in two[0] if one in two[1]]
    found = [
        _row(
            one,
            (two[0][one].said, two[1][one].said),
            _predictions(said[0].get(one), said[1].get(one)),
        )
        for one in both
    ]
    alone = (
        [*(one for one in two[0] if one not in two[1])],
        [*(one for one in two[1] if one not in two[0])],
    )
    settings = _settings([(two[0][one].said, two[1][one].said) for one in both])
    return Compared(names, settings, _corrected(found), alone)


def _by_experiment(items: Sequence[Item], word: str) -> dict[Experiment, Item]:
    chosen = [one for one in items if one.kind.word == word]
    return {(one.names["dataset"], one.names["configuration"]): one for one in chosen}


def _predictions(first: Item | None, second: Item | None) -> tuple[Arrays, Arrays] | None:
    """Return the predictions of both runs, if they are of the same images in one order."""
    if first is None or second is None:
        return None
    one, other = (read_arrays(item.path)[0] for item in (first, second))
    alike = all(np.array_equal(one[name], other[name]) for name in ("image", "true_class"))
    return (one, other) if alike else None


def _row(
    experiment: Experiment,
    fragments: tuple[Mapping[str, Any], Mapping[str, Any]],
    predictions: tuple[Arrays, Arrays] | None,
) -> Row:
    first, second = fragments
    same_images = first["subset_sha256"] == second["subset_sha256"]
    paired = predictions if same_images else None
    low, high, images_p = _of_pairs(*paired) if paired else _of_two(first, second)
    accuracies = [[one["test_accuracy"] for one in f["replicates"]] for f in fragments]
    return Row(
        *experiment,
        first["test_accuracy"],
        second["test_accuracy"],
        second["test_loss"] - first["test_loss"],
        low,
        high,
        images_p,
        welch_p(*accuracies),
        paired=paired is not None,
        same=without(first["replicates"]) == without(second["replicates"]),
    )


def _of_pairs(first: Arrays, second: Arrays) -> tuple[float, float, float]:
    """Return interval and p of a difference on the same images, as `comparisons.csv` has them."""
    right = [(one["predicted_class"] == one["true_class"]).sum(axis=0) for one in (first, second)]
    replicates = [len(one["predicted_class"]) for one in (first, second)]
    common = math.gcd(*replicates)  # whole numbers also where the numbers of replicates differ
    units = right[1] * (replicates[0] // common) - right[0] * (replicates[1] // common)
    return *difference(units / math.lcm(*replicates)), mid_p(units)


def _of_two(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return interval (Newcombe, Stat. Med. 17, 1998) and p (score test) of a difference between two
    samples of images; of replicates the mean counts, for which both are upper bounds.
    """
    from statsmodels.stats.proportion import (
        confint_proportions_2indep,
        test_proportions_2indep,
    )

    counts = [
        value
        for one in (second, first)
        for value in (one["test_accuracy"] * one["test_images"], one["test_images"])
    ]
    low, high = confint_proportions_2indep(*counts, method="newcomb", alpha=1 - CONFIDENCE)
    if first["test_accuracy"] == second["test_accuracy"]:
        return float(low), float(high), 1.0
    p = test_proportions_2indep(*counts, method="score", correction=False).pvalue
    return float(low), float(high), float(p)


def welch_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the two-sided p of Welch's test (Biometrika 34, 1947) of two means over seeds; None where
    one run has a single replicate.
    """
    from scipy.stats import ttest_ind

    if min(len(first), len(second)) < 2:
        return None
    if len({*first}) == len({*second}) == 1:  # no spread at all
        return float(first[0] == second[0])
    return float(ttest_ind(first, second, equal_var=False).pvalue)


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with p corrected: only what neither images nor seeds explain has moved."""
    p = holm({number: max(one.images_p, one.seeds_p or 0.0) for number, one in enumerate(rows)})
    found = [replace(one, holm_p=p[number]) for number, one in enumerate(rows)]
    return sorted(found, key=lambda one: (one.same, one.holm_p, -abs(one.difference)))


def _settings(
    pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> list[tuple[str, str, str, int]]:
    counts = Counter(found for pair in pairs for found in _apart(*pair))
    return [(*one, number) for one, number in counts.items()]


def _apart(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name and both values of each setting in which two fragments differ."""
    names = [*SETTINGS, *HYPERPARAMETERS]
    one, other = (
        {name: _setting(f, name) for name in dict.fromkeys(names)} for f in (first, second)
    )
    for where, value, instead in differences(one, other):
        yield where, _shown(value), _shown(instead)
    count, counted = len(first["replicates"]), len(second["replicates"])
    if count != counted:
        yield "replicates", str(count), str(counted)


def _setting(fragment: Mapping[str, Any], name: str) -> Any:
    return fragment.get(name, RECIPE_DEFAULTS.get(name))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"{value[:12]}…" if len(value) >= 40 and " " not in value else value
    return json.dumps(value)
