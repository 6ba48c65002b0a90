"""`arena.csv`: how well each metric, list and placebo orders the backbones of a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from metaprobe.core.randomness import generator
from metaprobe.recommend.arena.targets import FEWEST_BACKBONES, Target
from metaprobe.recommend.noise_floor import noise_floor
from metaprobe.recommend.rank_measures import kendall, rank_fidelity, top1_regret, weighted_tau
from metaprobe.recommend.transferability import COMBINED
from metaprobe.tables.families import mean_interval, sign_flip_p
from metaprobe.tables.statistics import difference, holm

Floats = NDArray[np.float64]

BY_SIZE, BY_MEAN_RANK, PLACEBO = "parameters", "mean_rank", "logme_of_another_task"
LISTS = (BY_SIZE, "gflop", "imagenet_accuracy")
SHUFFLED = "logme"  # the metric that the placebo takes from other tasks
# Measure -> its least and greatest value: no interval goes beyond.
MEASURES = {
    "weighted_tau": (-1.0, 1.0),
    "kendall": (-1.0, 1.0),
    "regret_points": (0.0, 100.0),
    "regret_above_floor_points": (-100.0, 100.0),
    "fidelity": (0.0, 1.0),
}
COLUMNS = (
    *("target", "ranker", "kind", "tasks", "families", "backbones"),
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
    *("stability", "cpu_seconds", "gain_over_size", "p", "holm_p"),
)


@dataclass(frozen=True)
class Entrants:
    """What ranks the backbones of T tasks, of B backbones in one order.

    Attributes:
        families: (T,)
        backbones: B ids.
        scores: metric -> (T, B), NaN where there is none.
        halves: metric -> (T, S, B): of S random halves of the images.
        lists: name -> (B,): the same for all tasks; NaN where unknown.
        cpu_seconds: metric -> mean of a data set and backbone.
    """

    tasks: Sequence[str]
    families: Sequence[str]
    backbones: Sequence[str]
    scores: Mapping[str, Floats]
    halves: Mapping[str, Floats]
    lists: Mapping[str, Floats]
    cpu_seconds: Mapping[str, float]


def combined(parts: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return metric -> scores (..., B), those with a value only among backbones put together."""
    used = {name for names, _ in COMBINED.values() for name in names}
    found = {name: one for name, one in parts.items() if name not in used}
    for name, (names, together) in COMBINED.items():
        first, second = (parts[one] for one in names)
        flat = [
            together(*pair)
            for pair in zip(
                first.reshape(-1, first.shape[-1]), second.reshape(-1, first.shape[-1]), strict=True
            )
        ]
        found[name] = np.array(flat).reshape(first.shape)
    return found


def judge(entrants: Entrants, targets: Sequence[Target], seed: int) -> list[dict[str, Any]]:
    """Return a row per target and ranker, with the keys `COLUMNS`.

    A ranker is judged on the backbones that it can rank, if they are at least three, and compared
    with the list by size on the same. `p`: sign flips of whole families of the difference of
    weighted tau to that list; `holm_p` allows for all metrics and all targets.
    """
    rows: list[dict[str, Any]] = []
    for target in targets:
        tested = [
            _Tested(target, right, task_id, seed)
            for task_id, right in zip(entrants.tasks, target.right, strict=True)
        ]
        own = [
            _row(entrants, target, tested, *ranker, seed) for ranker in rankers(entrants, target)
        ]
        rows += [row for row in own if row is not None]
    metrics = {n: row["p"] for n, row in enumerate(rows) if row["kind"] == "metric"}
    adjusted = holm(metrics)
    return [row | {"holm_p": adjusted.get(number)} for number, row in enumerate(rows)]


class _Tested:
    """What the test images of a task can show of a target's backbones, or of some of them."""

    def __init__(self, target: Target, right: Floats, task_id: str, seed: int) -> None:
        self.right, self.all_differ = right, differing(right)
        self.key = seed, task_id, f"noise floor of {target.name}"
        self.floors: dict[bytes, float] = {}

    def floor(self, there: NDArray[np.bool_]) -> float:
        """Return the accuracy points that choosing among these (B,) loses by luck alone."""
        key = there.tobytes()
        if key not in self.floors:
            self.floors[key] = noise_floor(self.right[there], 1, generator(*self.key))
        return self.floors[key]

    def differs(self, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of these differ."""
        found: NDArray[np.bool_] = self.all_differ[np.ix_(there, there)]
        return found


def rankers(entrants: Entrants, target: Target) -> list[tuple[str, str, Floats]]:
    """Return name, kind and scores (V, T, B') of all that ranks a target's backbones.

    V is 1, but of the placebo: there it is every other task's scores.
    """
    places = [entrants.backbones.index(name) for name in target.backbones]
    tasks = len(entrants.tasks)
    found = [
        (name, "metric", scores[None][:, :, places]) for name, scores in entrants.scores.items()
    ]
    for name, values in entrants.lists.items():
        found.append((name, "list", np.tile(values[places], (1, tasks, 1))))
    found.append((BY_MEAN_RANK, "list", _mean_rank(entrants.families, target.accuracy)[None]))
    if SHUFFLED in entrants.scores:
        own = entrants.scores[SHUFFLED][:, places]
        found.append((PLACEBO, "placebo", _of_others(entrants.families, own)))
    return found


def _mean_rank(families: Sequence[str], accuracy: Floats) -> Floats:
    """Return (T, B) scores: the mean rank of each backbone on the tasks of other families."""
    ranks = rankdata(accuracy, axis=1)
    others = np.array([[one != other for other in families] for one in families], float)
    counts = others.sum(axis=1, keepdims=True)
    found: Floats = np.where(counts > 0, others @ ranks / np.maximum(counts, 1), np.nan)
    return found


def _of_others(families: Sequence[str], scores: Floats) -> Floats:
    """Return (V, T, B): each task with the scores of a task of another family, V of them at most."""
    others = [
        [number for number, other in enumerate(families) if other != family] for family in families
    ]
    most = max(map(len, others))
    found = np.full((max(most, 1), *scores.shape), np.nan)
    for task, numbers in enumerate(others):
        for version in range(most if numbers else 0):  # all tasks have the same number of versions
            found[version, task] = scores[numbers[version % len(numbers)]]
    return found


def _row(
    entrants: Entrants,
    target: Target,
    tested: Sequence[_Tested],
    name: str,
    kind: str,
    versions: Floats,
    seed: int,
) -> dict[str, Any] | None:
    """Return the row of one ranker; None if it ranks no task."""
    size = entrants.lists[BY_SIZE][[entrants.backbones.index(one) for one in target.backbones]]
    measured: list[Floats] = []
    gains, tasks, ranked = [], [], []
    for task in range(len(entrants.tasks)):
        there = np.asarray(np.isfinite(versions[:, task]).all(axis=0))
        if there.sum() < FEWEST_BACKBONES:
            continue
        accuracy = target.accuracy[task, there]
        own = tested[task].floor(there), tested[task].differs(there)
        told = [_measure(one[task, there], accuracy, *own) for one in versions]
        measured.append(np.mean(told, axis=0))
        gains.append(measured[-1][0] - _tau(size[there], accuracy))
        tasks.append(task)
        ranked.append(int(there.sum()))
    if not tasks:
        return None
    families = [entrants.families[task] for task in tasks]
    row: dict[str, Any] = {"target": target.name, "ranker": name, "kind": kind}
    row |= {"tasks": len(tasks), "families": len(set(families)), "backbones": max(ranked)}
    for number, measure in enumerate(MEASURES):
        values = np.array([one[number] for one in measured])
        row |= _summary(measure, values, families, seed)
    row["stability"] = _stability(entrants, target, name)
    row["cpu_seconds"] = entrants.cpu_seconds.get(name)
    row["gain_over_size"] = None if name == BY_SIZE else float(np.mean(gains))
    row["p"] = None if name == BY_SIZE else sign_flip_p(np.array(gains), families)
    return row


def _measure(
    scores: Floats, accuracy: Floats, floor: float, differs: NDArray[np.bool_]
) -> list[float]:
    """Return MEASURES of one task; a fidelity of NaN where no two backbones differ."""
    regret = 100 * top1_regret(scores, accuracy)
    tau = kendall(scores, accuracy)
    return [
        _tau(scores, accuracy),
        0.0 if np.isnan(tau) else tau,
        regret,
        regret - floor,
        rank_fidelity(scores, accuracy, differs),
    ]


def _tau(scores: Floats, accuracy: Floats) -> float:
    """Return the weighted tau; 0 where all scores, or all accuracies, are equal: no order was told."""
    tau = weighted_tau(scores, accuracy)
    return 0.0 if np.isnan(tau) else tau


def differing(right: Floats) -> NDArray[np.bool_]:
    """Return which backbones' accuracies differ beyond the 95 % interval of paired test images: (B, B)."""
    count = len(right)
    found = np.zeros((count, count), bool)
    for i in range(count):
        for j in range(i):
            low, high = difference(right[i] - right[j])
            found[i, j] = found[j, i] = low > 0 or high < 0
    return found


def _summary(
    name: str, values: Floats, families: Sequence[str], seed: int
) -> dict[str, float | None]:
    """Return mean and interval over the tasks that have a value."""
    there = np.isfinite(values)
    if not there.any():
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    kept = [one for one, is_there in zip(families, there, strict=True) if is_there]
    interval = mean_interval(values[there], kept, generator(seed, "arena", "bootstrap"))
    low, high = np.clip(interval, *MEASURES[name]).tolist() if interval else (None, None)
    return {name: float(values[there].mean()), f"{name}_low": low, f"{name}_high": high}


def _stability(entrants: Entrants, target: Target, name: str) -> float | None:
    """Return Kendall's tau between the rankings by two halves of the images, its mean over tasks."""
    if name not in entrants.halves:
        return None
    places = [entrants.backbones.index(one) for one in target.backbones]
    found = []
    for halves in entrants.halves[name][:, :, places]:
        there = np.isfinite(halves).all(axis=0)
        if there.sum() < FEWEST_BACKBONES:
            continue
        pairs = [
            kendall(halves[i, there], halves[j, there])
            for i in range(len(halves))
            for j in range(i)
        ]
        found += [0.0 if np.isnan(one) else one for one in pairs]
    return float(np.mean(found)) if found else None


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the sentence that says whether any metric orders backbones better than a list by size."""
    judged = [row for row in rows if row["kind"] == "metric" and row["holm_p"] is not None]
    if not judged:
        return "No metric could be judged: at least three backbones are needed."
    better = [row for row in judged if row["holm_p"] < 0.05 and row["gain_over_size"] > 0]
    by_rank = {row["target"]: row for row in rows if row["ranker"] == BY_MEAN_RANK}
    if not better:
        return (
            "No metric orders the backbones better than the list by size: no difference that this "
            "table can show."
        )
    told = [
        f"{row['ranker']} for {row['target']} (weighted tau {row['weighted_tau']:.2f}; by the mean "
        f"rank on other families {by_rank[row['target']]['weighted_tau']:.2f})"
        for row in better
    ]
    return f"Better than the list by size: {'; '.join(told)}."
