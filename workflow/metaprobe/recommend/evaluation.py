"""`recommendation_evaluation.csv`: every task is held out and ranked for from the others.

Two protocols: `task` holds out one task at a time; `family` also all tasks that share images with
it, without which near-duplicates give the answer away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from metaprobe.core.randomness import generator
from metaprobe.recommend.meta_table import Floats, MetaTable, select_tasks
from metaprobe.recommend.recommenders import Recommender, global_best, logme, recommender
from metaprobe.tables.statistics import FEWEST_TASKS, holm, wilcoxon

PROTOCOLS = ("task", "family")
METRICS = ("regret_points", "normalised_regret", "rank", "top1", "ndcg_at_3")
SHUFFLES = 100
BASELINE = "global_best"
RANDOM = "random"
PLACEBO = "nearest_shuffled"
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


@dataclass(frozen=True)
class Outcome:
    """What one method achieved under one protocol.

    Attributes:
        tasks: (H,) those that could be held out.
        families: (H,).
        metrics: name → (H,), one of `METRICS` each.
    """

    protocol: str
    method: str
    tasks: tuple[str, ...]
    families: tuple[str, ...]
    metrics: dict[str, Floats]


def evaluate(table: MetaTable, *, method: str, neighbours: int, seed: int) -> list[Outcome]:
    """Return outcomes of all methods and baselines under both protocols.

    `metabu` is costly and is evaluated only where it is the `method` of the run. LogME is left out
    of tables without its columns. The placebo is `nearest` with the rows of meta-features permuted
    among the tasks, the mean of 100 permutations: it can be no better than the global best.
    """
    methods: dict[str, Recommender] = {
        "nearest": recommender("nearest", neighbours),
        "nearest_1": recommender("nearest", 1),
        BASELINE: global_best,
    }
    if any(column.startswith("LogME_") for column in table.columns):
        methods["logme"] = logme
    if method == "metabu":
        methods["metabu"] = recommender("metabu", neighbours)
    outcomes = []
    for protocol in PROTOCOLS:
        splits = hold_out(table, protocol)
        judges = {name: _ranked_by(one, table) for name, one in methods.items()}
        judges[RANDOM] = lambda split: expect_at_random(table.accuracy[split[0]])
        outcomes += [_outcome(table, protocol, name, splits, one) for name, one in judges.items()]
        outcomes.append(_placebo(table, protocol, splits, methods["nearest"], seed))
    return outcomes


Split = tuple[int, list[int]]
Judge = Callable[[Split], dict[str, float]]


def hold_out(table: MetaTable, protocol: str) -> list[Split]:
    """Return (held-out task, tasks it is recommended from); a task for which none is left is skipped."""
    tasks = range(len(table.tasks))
    held = table.families if protocol == "family" else table.tasks
    splits = [(task, [other for other in tasks if held[other] != held[task]]) for task in tasks]
    return [split for split in splits if split[1]]


def judge(scores: Floats, accuracy: Floats) -> dict[str, float]:
    """Return how good a ranking by `scores` (C,) is, where the true accuracies are (C,).

    The first of equal scores is taken. NDCG@3 (Järvelin and Kekäläinen 2002) has the accuracy,
    scaled to [0, 1] within the task, as its gain. Where all configurations score the same, nothing
    can be lost.
    """
    order = np.argsort(-scores, kind="stable")
    chosen, best = accuracy[order[0]], accuracy.max()
    better, equal = np.sum(accuracy > chosen), np.sum(accuracy == chosen)
    gains = scaled(accuracy)
    return {
        "regret_points": float(100 * (best - chosen)),
        "normalised_regret": float(1 - gains[order[0]]),
        "rank": float(better + (equal + 1) / 2),
        "top1": float(chosen == best),
        "ndcg_at_3": discounted(gains[order]) / discounted(np.sort(gains)[::-1]),
    }


def expect_at_random(accuracy: Floats) -> dict[str, float]:
    """Return the expectation of `judge` over all rankings, in closed form."""
    gains = scaled(accuracy)
    average = np.full_like(gains, gains.mean())
    return {
        "regret_points": float(100 * (accuracy.max() - accuracy.mean())),
        "normalised_regret": float(1 - gains.mean()),
        "rank": (len(accuracy) + 1) / 2,
        "top1": float(np.mean(accuracy == accuracy.max())),
        "ndcg_at_3": discounted(average) / discounted(np.sort(gains)[::-1]),
    }


def scaled(accuracy: Floats) -> Floats:
    """Return (C,) accuracies from 0, the worst, to 1, the best; all 1 where they are equal."""
    width = np.ptp(accuracy)
    return (accuracy - accuracy.min()) / width if width else np.ones_like(accuracy)


def discounted(gains: Floats) -> float:
    """Return the discounted cumulative gain of the first three.

    scikit-learn's `ndcg_score` refuses a single configuration and takes the last of equal scores.
    """
    first = gains[:3]
    return float(np.sum(first / np.log2(np.arange(2, len(first) + 2))))


def _ranked_by(method: Recommender, table: MetaTable) -> Judge:
    def judged(split: Split) -> dict[str, float]:
        task, others = split
        advice = method(select_tasks(table, others), table.basic[task])
        return judge(advice.scores, table.accuracy[task])

    return judged


def _outcome(
    table: MetaTable, protocol: str, name: str, splits: Sequence[Split], judged: Judge
) -> Outcome:
    found = [judged(split) for split in splits]
    return Outcome(
        protocol,
        name,
        tuple(table.tasks[task] for task, _ in splits),
        tuple(table.families[task] for task, _ in splits),
        {metric: np.array([one[metric] for one in found]) for metric in METRICS},
    )


def _placebo(
    table: MetaTable, protocol: str, splits: Sequence[Split], method: Recommender, seed: int
) -> Outcome:
    """The method on meta-features that belong to other tasks; its metrics' means over permutations."""
    outcomes = []
    for number in range(SHUFFLES):
        order = generator(seed, "evaluation", f"shuffle {number}").permutation(len(table.tasks))
        shuffled = replace(table, basic=table.basic[order])
        outcomes.append(_outcome(table, protocol, PLACEBO, splits, _ranked_by(method, shuffled)))
    means = {
        metric: np.mean([one.metrics[metric] for one in outcomes], axis=0) for metric in METRICS
    }
    return replace(outcomes[0], metrics=means)


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
        p_values = {
            one.method: wilcoxon(one.metrics["regret_points"], baseline.metrics["regret_points"])
            for one in chosen
            if one.method != BASELINE
        }
        adjusted = holm({k: p for k, p in p_values.items() if k not in (RANDOM, PLACEBO)})
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
    held = {one.protocol: len(one.tasks) for one in outcomes}
    return [
        f"only {count} tasks can be held out by {protocol}: too few to say whether a recommendation "
        f"helps; at least {FEWEST_TASKS} are needed"
        for protocol, count in held.items()
        if count < FEWEST_TASKS
    ]


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
