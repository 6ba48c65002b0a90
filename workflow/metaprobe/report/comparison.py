"""Configurations compared over tasks: ranks, their intervals, and which are told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.report.data import Run
from metaprobe.tables.families import (
    FEWEST_FAMILIES,
    family_sums,
    fewest_families,
    friedman_p,
    mean_intervals,
    resample,
    sign_flip_p,
    signed_ranks,
)
from metaprobe.tables.statistics import CONFIDENCE, holm

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Ranks of configurations over tasks (Demšar, JMLR 7, 2006), whose relatives count together.

    Attributes:
        mean_ranks: configuration -> mean rank over the whole tasks, best first.
        intervals: (configurations, 2) of the mean ranks, in their order, by whole families; None
            with too few of them.
        friedman_p: Friedman's test that all are alike; None where it cannot be had.
        p: (configurations, configurations) in the order of `mean_ranks`, sign flips of families on
            signed ranks, with Holm's correction; None where there are too few families.
        tasks: on which all configurations are done.
        families: of these tasks.
    """

    mean_ranks: dict[str, float]
    intervals: Floats | None
    friedman_p: float | None
    p: Floats | None
    tasks: int
    families: int

    @property
    def first(self) -> str:
        """The configuration of the best mean rank."""
        return next(iter(self.mean_ranks))

    @property
    def needed(self) -> int:
        """How many families it takes to tell so many configurations apart."""
        count = len(self.mean_ranks)
        return fewest_families(count * (count - 1) // 2)

    @property
    def apart(self) -> list[bool | None]:
        """Of each configuration whether it is told apart from the first; None: it cannot be tested."""
        if self.p is None:
            return [None] * len(self.mean_ranks)
        return [bool(p < 1 - CONFIDENCE) for p in self.p[0]]

    @property
    def all_alike(self) -> bool:
        """Whether it was tested, and no pair is told apart."""
        return self.p is not None and bool((self.p >= 1 - CONFIDENCE).all())


def compare(run: Run) -> Comparison:
    """Compare the configurations over the tasks on which all of them are done."""
    from scipy.stats import rankdata

    tasks = int(run.whole_tasks.sum())
    if not tasks:
        return Comparison({}, None, None, None, 0, 0)
    ranks = rankdata(-run.accuracy[run.whole_tasks], axis=1)
    means = ranks.mean(axis=0)
    order = np.argsort(means, kind="stable")
    mean_ranks = {run.configurations[i]: float(means[i]) for i in order}
    accuracy = run.accuracy[run.whole_tasks][:, order]
    families = list(compress(run.families, run.whole_tasks))
    count, pairs = len(set(families)), len(order) * (len(order) - 1) // 2
    overall = p = None
    if len(order) > 2 and count > 1 and np.ptp(accuracy, axis=1).any():
        overall = friedman_p(accuracy, families)
    if pairs and count >= fewest_families(pairs):
        p = pairwise_p(accuracy, families)
    return Comparison(mean_ranks, intervals(ranks[:, order], families), overall, p, tasks, count)


def pairwise_p(accuracy: Floats, families: Sequence[str]) -> Floats:
    """Return the adjusted p of each pair of columns of (tasks, configurations); 1 where they never differ."""
    count = accuracy.shape[1]
    pairs = [(i, j) for i in range(count) for j in range(i)]
    apart = {(i, j): signed_ranks(accuracy[:, i] - accuracy[:, j]) for i, j in pairs}
    found = holm({pair: sign_flip_p(ranks, families) for pair, ranks in apart.items()})
    p = np.ones((count, count))
    for (i, j), adjusted in found.items():
        p[i, j] = p[j, i] = adjusted
    return p


def intervals(values: Floats, families: Sequence[str]) -> Floats | None:
    """Return (C, 2) intervals of the means of (T, C) ranks, from 1 to C; a mean without spread is its own."""
    sums = family_sums(values, families)
    if len(sums) < FEWEST_FAMILIES:
        return None
    sizes = family_sums(np.ones(len(values)), families)
    ends = mean_intervals(sums, sizes, resample(len(sums), np.random.default_rng(0)))
    means = values.mean(axis=0)
    found = np.stack([np.where(np.isnan(end), means, end) for end in ends], axis=1)
    clipped: Floats = np.clip(found, 1, values.shape[1])
    return clipped


def standings(run: Run, comparison: Comparison) -> list[dict[str, Any]]:
    """Return a row per configuration, over the whole tasks, the best mean rank first."""
    whole = run.whole_tasks
    of = dict(zip(run.configurations, range(len(run.configurations)), strict=True))
    rows = []
    for place, (name, rank) in enumerate(comparison.mean_ranks.items()):
        column = of[name]
        regret = run.regret[whole, column]
        ends: Any = (None, None)
        if comparison.intervals is not None:
            ends = comparison.intervals[place].tolist()
        rows.append(
            {
                "configuration": name,
                "rank": rank,
                "rank_low": ends[0],
                "rank_high": ends[1],
                "accuracy": float(run.accuracy[whole, column].mean()),
                "regret_points": 100 * float(regret.mean()),
                "best_on": int((regret == 0).sum()),
                "seconds": float(run.seconds[whole, column].mean()),
                "apart": comparison.apart[place],
            }
        )
    return rows
