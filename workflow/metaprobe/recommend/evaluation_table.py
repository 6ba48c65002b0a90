"""`recommendation_evaluation.csv`: each method's mean metrics, intervals, tests, and a sentence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from metaprobe.core.randomness import generator
from metaprobe.recommend.evaluation import BASELINE, METRICS, PLACEBO, PROTOCOLS, RANDOM, Outcome
from metaprobe.recommend.meta_table import Floats
from metaprobe.tables.statistics import FEWEST_TASKS, holm, wilcoxon

RESAMPLES = 10_000
LEVEL = 0.95
COLUMNS = (
    "protocol",
    "method",
    "tasks",
    *(f"{metric}{suffix}" for metric in METRICS for suffix in ("", "_low", "_high")),
    "wilcoxon_p",
    "holm_p",
    "conclusion",
)


def evaluation_rows(outcomes: Sequence[Outcome], seed: int) -> list[dict[str, Any]]:
    """Return one row per protocol and method, with the keys `COLUMNS`; none where no task can be held out.

    `_low` and `_high` bound the 95 % interval of a mean: 10,000 bootstrap resamples of families,
    as tasks of one family are not independent. `wilcoxon_p` compares the regret with that of the
    global best across tasks, two-sided; `holm_p` allows for the comparisons of the protocol.
    """
    rows = []
    for protocol in PROTOCOLS:
        chosen = [one for one in outcomes if one.protocol == protocol and one.tasks]
        baseline = {one.method: one for one in chosen}.get(BASELINE)
        if baseline is None:
            continue
        compared = [one for one in chosen if one.method not in (BASELINE, RANDOM, PLACEBO)]
        p_values = {
            one.method: wilcoxon(one.metrics["regret_points"], baseline.metrics["regret_points"])
            for one in chosen
            if one.method != BASELINE
        }
        adjusted = holm({one.method: p_values[one.method] for one in compared})
        for one in chosen:
            p = adjusted.get(one.method, p_values.get(one.method))
            rows.append(
                {"protocol": protocol, "method": one.method, "tasks": len(one.tasks)}
                | _means(one, seed)
                | {
                    "wilcoxon_p": p_values.get(one.method),
                    "holm_p": adjusted.get(one.method),
                    "conclusion": conclude(one, baseline, p),
                }
            )
    return rows


def conclude(outcome: Outcome, baseline: Outcome, p: float | None) -> str:
    """Return whether a method's regret differs from that of the global best, in words."""
    if p is None:
        return "the global best itself"
    if len(outcome.tasks) < FEWEST_TASKS:
        return f"too few tasks to tell: {len(outcome.tasks)}, at least {FEWEST_TASKS} are needed"
    gain = float(np.mean(baseline.metrics["regret_points"] - outcome.metrics["regret_points"]))
    if p >= 1 - LEVEL or gain == 0:
        return "no better than the global best"
    word = "better" if gain > 0 else "worse"
    return f"{word} than the global best by {abs(gain):.2f} accuracy points"


def bootstrap_interval(
    values: Floats, families: Sequence[str], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the percentile interval of the mean of (H,) values, resampling whole families."""
    names = sorted(set(families))
    members = np.array([[family == name for family in families] for name in names])
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    means = (draws @ (members @ values)) / (draws @ members.sum(axis=1))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _means(outcome: Outcome, seed: int) -> dict[str, float]:
    cells: dict[str, float] = {}
    for metric, values in outcome.metrics.items():
        rng = generator(seed, "evaluation", "bootstrap")  # the same draws for all: they compare
        low, high = bootstrap_interval(values, outcome.families, rng)
        cells |= {metric: float(values.mean()), f"{metric}_low": low, f"{metric}_high": high}
    return cells


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what a reader must know of tables too small to be evaluated."""
    found = []
    for protocol in PROTOCOLS:
        held = {one.tasks for one in outcomes if one.protocol == protocol}
        count = len(next(iter(held), ()))
        if count < FEWEST_TASKS:
            found.append(
                f"only {count} tasks can be held out by {protocol}: too few to say whether a "
                f"recommendation helps; at least {FEWEST_TASKS} are needed"
            )
    return found


def to_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the table; means to four decimals."""
    rounded = (
        {key: round(one, 4) if isinstance(one, float) else one for key, one in row.items()}
        for row in rows
    )
    return pd.DataFrame(rounded, columns=list(COLUMNS))


def to_json(
    outcomes: Sequence[Outcome], rows: Sequence[dict[str, Any]], *, neighbours: int
) -> dict[str, Any]:
    """Return everything: the rows at full precision, and each task's metrics under each method."""
    return {
        "neighbours": neighbours,
        "notes": notes(outcomes),
        "rows": list(rows),
        "tasks": [
            {"protocol": one.protocol, "method": one.method, "task_id": task_id, "family": family}
            | {metric: float(one.metrics[metric][number]) for metric in METRICS}
            for one in outcomes
            for number, (task_id, family) in enumerate(zip(one.tasks, one.families, strict=True))
        ],
    }
