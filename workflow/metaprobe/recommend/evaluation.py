"""Whether recommenders help: every task is held out and ranked for from the others.

Two protocols: `task` holds out one task at a time; `family` also all tasks that share images with
it, without which near-duplicates give the answer away. Whatever chooses does so by validation
accuracies where all experiments have them; all is judged by test accuracies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metaprobe.core.randomness import generator
from metaprobe.recommend.meta_table import Floats, MetaTable, select_tasks
from metaprobe.recommend.recommenders import Recommender, global_best, logme, recommender

PROTOCOLS = ("task", "family")
ABOVE_FLOOR = "regret_above_floor_points"
JUDGED = ("regret_points", "normalised_regret", "rank", "top1", "ndcg_at_3")
METRICS = ("regret_points", ABOVE_FLOOR, *JUDGED[1:])
SHUFFLES = 100
BASELINE = "global_best"
RANDOM = "random"
PLACEBO = "nearest_shuffled"
EXHAUSTIVE = "exhaustive"


@dataclass(frozen=True)
class Outcome:
    """What one method achieved under one protocol.

    Attributes:
        tasks: (H,) those that could be held out.
        families: (H,).
        metrics: name → (H,), one of `METRICS` each.
        configurations: that were ranked.
    """

    protocol: str
    method: str
    tasks: tuple[str, ...]
    families: tuple[str, ...]
    metrics: dict[str, Floats]
    configurations: int


def evaluate(
    table: MetaTable, floors: Mapping[str, float], *, method: str, neighbours: int, seed: int
) -> list[Outcome]:
    """Return outcomes of all methods and baselines under both protocols.

    `metabu` is costly and is evaluated only where it is the `method` of the run. LogME is left out
    of tables without its columns. The placebo is `nearest` with the rows of meta-features permuted
    among the tasks, the mean of 100 permutations: it can be no better than chance. Where all
    experiments have validation images, `exhaustive` runs everything and chooses by them.

    Args:
        floors: task id → its noise floor in accuracy points.
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
        if table.validation is not None:
            judges[EXHAUSTIVE] = lambda split: judge(
                table.chosen_by[split[0]], table.accuracy[split[0]]
            )
        found = [_outcome(table, protocol, name, splits, one) for name, one in judges.items()]
        found.append(_placebo(table, protocol, splits, methods["nearest"], seed))
        outcomes += [_above(one, floors) for one in found]
    return outcomes


def _above(outcome: Outcome, floors: Mapping[str, float]) -> Outcome:
    """The outcome with its regret above the noise floor."""
    regret = outcome.metrics["regret_points"]
    above = regret - np.array([floors[task] for task in outcome.tasks])
    return replace(outcome, metrics=outcome.metrics | {ABOVE_FLOOR: above})


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

    Of equal scores any may come first: all is the expectation over their orders. NDCG@3 (Järvelin and
    Kekäläinen 2002) has the accuracy, scaled to [0, 1] within the task, as its gain. Where all
    configurations score the same, nothing can be lost.
    """
    first = accuracy[scores == scores.max()]
    gains = scaled(accuracy)
    ranks = [np.sum(accuracy > one) + (np.sum(accuracy == one) + 1) / 2 for one in first]
    ranked = _mean_of_equals(scores, gains)[np.argsort(-scores, kind="stable")]
    return {
        "regret_points": float(100 * (accuracy.max() - first.mean())),
        "normalised_regret": float(1 - gains[scores == scores.max()].mean()),
        "rank": float(np.mean(ranks)),
        "top1": float(np.mean(first == accuracy.max())),
        "ndcg_at_3": discounted(ranked) / discounted(np.sort(gains)[::-1]),
    }


def _mean_of_equals(scores: Floats, gains: Floats) -> Floats:
    """(C,): of each configuration the mean gain of those that score as it does."""
    _, place = np.unique(scores, return_inverse=True)
    means: Floats = (np.bincount(place, gains) / np.bincount(place))[place]
    return means


def expect_at_random(accuracy: Floats) -> dict[str, float]:
    """Return the expectation of `judge` over all rankings, in closed form."""
    return judge(np.zeros_like(accuracy), accuracy)


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
        {metric: np.array([one[metric] for one in found]) for metric in JUDGED},
        len(table.configurations),
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
        metric: np.mean([one.metrics[metric] for one in outcomes], axis=0) for metric in JUDGED
    }
    return replace(outcomes[0], metrics=means)
