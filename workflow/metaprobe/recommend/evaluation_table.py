"""`recommendation_evaluation.csv` and `.json`: outcomes as means with intervals, tests and words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from metaprobe.core.randomness import generator
from metaprobe.recommend.evaluation import (
    ABOVE_FLOOR,
    BASELINE,
    EXHAUSTIVE,
    METRICS,
    PLACEBO,
    PROTOCOLS,
    RANDOM,
    Outcome,
)
from metaprobe.recommend.meta_table import Floats, MetaTable
from metaprobe.tables.families import fewest_families, mean_interval, sign_flip_p
from metaprobe.tables.statistics import CONFIDENCE, holm

YARDSTICKS = (BASELINE, RANDOM, PLACEBO, EXHAUSTIVE)  # to be compared with, not recommenders
NO_DIFFERENCE = "no difference that this table can show"
COLUMNS = (
    "protocol",
    "method",
    "tasks",
    *(f"{metric}{suffix}" for metric in METRICS for suffix in ("", "_low", "_high")),
    "p",
    "holm_p",
    "conclusion",
)


def evaluation_rows(outcomes: Sequence[Outcome], seed: int) -> list[dict[str, Any]]:
    """Return one row per protocol and method, with the keys `COLUMNS`; none where no task can be held out.

    `_low` and `_high` bound the interval of a mean (`families.mean_interval`), None where there is
    none. `p` compares the regret with that of the global best by sign flips of families, two-sided;
    `holm_p` allows for the comparisons of the protocol.
    """
    rows = []
    for protocol in PROTOCOLS:
        rows += _rows_of([one for one in outcomes if one.protocol == protocol and one.tasks], seed)
    return rows


def _rows_of(outcomes: Sequence[Outcome], seed: int) -> list[dict[str, Any]]:
    """Return the rows of one protocol.

    Yardsticks are no part of the question which method helps: their p stays as it is.
    """
    baseline = {one.method: one for one in outcomes}.get(BASELINE)
    if baseline is None:
        return []
    p = {
        one.method: sign_flip_p(_gains(one, baseline), one.families)
        for one in outcomes
        if one.method != BASELINE
    }
    adjusted = holm({name: value for name, value in p.items() if name not in YARDSTICKS})
    told = {name: (value, 1) for name, value in p.items()}
    told |= {name: (value, len(adjusted)) for name, value in adjusted.items()}
    return [
        {"protocol": one.protocol, "method": one.method, "tasks": len(one.tasks)}
        | means(one, seed)
        | {"p": p.get(one.method), "holm_p": adjusted.get(one.method)}
        | {"conclusion": conclude(one, baseline, *told.get(one.method, (None, 1)))}
        for one in outcomes
    ]


def _gains(outcome: Outcome, baseline: Outcome) -> Floats:
    """(H,) accuracy points by which each task's regret is below the baseline's."""
    gains: Floats = baseline.metrics["regret_points"] - outcome.metrics["regret_points"]
    return gains


def conclude(outcome: Outcome, baseline: Outcome, p: float | None, comparisons: int) -> str:
    """Return whether a method's regret differs from that of the global best, in words.

    Args:
        p: adjusted for so many comparisons; None for the global best.
    """
    if p is None:
        return "the global best itself"
    families, needed = len(set(outcome.families)), fewest_families(comparisons)
    if families < needed:
        return f"too few families to tell: {families}, at least {needed} are needed"
    gain = float(np.mean(_gains(outcome, baseline)))
    if p >= 1 - CONFIDENCE or gain == 0:
        return NO_DIFFERENCE
    word = "better" if gain > 0 else "worse"
    return f"{word} than the global best by {abs(gain):.2f} accuracy points"


def means(outcome: Outcome, seed: int) -> dict[str, float | None]:
    """Return the mean of each metric with the ends of its interval, cut to what is possible."""
    cells: dict[str, float | None] = {}
    for metric in METRICS:
        values = outcome.metrics[metric]
        rng = generator(seed, "evaluation", "bootstrap")  # the same draws for all: they compare
        interval = mean_interval(values, outcome.families, rng)
        least, most = _possible(metric, outcome.configurations)
        low, high = np.clip(interval, least, most).tolist() if interval else (None, None)
        cells |= {metric: float(values.mean()), f"{metric}_low": low, f"{metric}_high": high}
    return cells


def _possible(metric: str, configurations: int) -> tuple[float, float]:
    """Return between what a metric lies."""
    return {
        "regret_points": (0.0, 100.0),
        ABOVE_FLOOR: (-100.0, 100.0),
        "rank": (1.0, float(configurations)),
    }.get(metric, (0.0, 1.0))


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what a reader must know of tables too small to be evaluated."""
    needed = fewest_families(len({one.method for one in outcomes} - {*YARDSTICKS}))
    held = {one.protocol: len(set(one.families)) for one in outcomes}
    return [
        f"only {count} families can be held out by {protocol}: too few to say whether a "
        f"recommendation helps; at least {needed} are needed"
        for protocol, count in held.items()
        if count < needed
    ]


def to_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the table; means to four decimals."""
    rounded = (
        {key: round(one, 4) if isinstance(one, float) else one for key, one in row.items()}
        for row in rows
    )
    return pd.DataFrame(rounded, columns=list(COLUMNS))


def to_json(
    outcomes: Sequence[Outcome],
    rows: Sequence[dict[str, Any]],
    table: MetaTable,
    floors: Mapping[str, float],
    *,
    neighbours: int,
) -> dict[str, Any]:
    """Return everything: the rows at full precision, and each task's metrics under each method."""
    return {
        "neighbours": neighbours,
        "chosen_on": table.chosen_on,
        "notes": notes(outcomes),
        "noise_floor_points": dict(floors),
        "rows": list(rows),
        "tasks": [
            {"protocol": one.protocol, "method": one.method, "task_id": task_id, "family": family}
            | {metric: float(one.metrics[metric][number]) for metric in METRICS}
            for one in outcomes
            for number, (task_id, family) in enumerate(zip(one.tasks, one.families, strict=True))
        ],
    }
