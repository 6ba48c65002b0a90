"""`advice_evaluation.csv`: the regret of each way to choose, by the seconds it took."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.randomness import generator
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.arena.replay import (
    ALONE,
    BUDGETS,
    EVERYTHING,
    METHODS,
    RANDOM,
    WITH_TABLE,
    Known,
    Reached,
    replay,
)
from metaprobe.tables.families import mean_interval, sign_flip_p

Floats = NDArray[np.float64]

COLUMNS = (
    *("method", "budget", "tasks", "families", "seconds", "share_with_model"),
    *("regret_points", "regret_points_low", "regret_points_high"),
    *("behind_everything_points", "behind_low", "behind_high"),
    *("within_one_point", "p_against_random", "chosen_on"),
)
CLOSE = 1.0  # accuracy points


def advice_rows(
    candidates: Candidates, tasks: Sequence[Known], seed: int, *, chosen_on: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a row per method and budget, with the keys `COLUMNS`; and one per task, method and budget.

    `budget` is a share of the CPU seconds that everything takes; `share_with_model` is what was used
    of them, the training of the configuration that is named included. `regret_points` is against the
    configuration that is best on the test images, `behind_everything_points` against the one that is
    chosen after everything was trained.

    Args:
        chosen_on: `validation` or `test`: the images that `chosen_by` of the tasks is of.
    """
    found: dict[tuple[str, float], dict[str, Reached]] = {}
    for task_id, method, budget, reached in replay(candidates, tasks, seed):
        found.setdefault((method, budget), {})[task_id] = reached
    whole = {one.task_id: one.prices.of_everything(candidates) for one in tasks}
    rows, details = [], []
    for method, budget in product(METHODS, BUDGETS):
        if (own := found.get((method, budget))) is not None:
            told = _regrets(tasks, own, found[RANDOM, budget], found[EVERYTHING, 1.0], seed)
            share = np.mean([own[t].with_model / whole[t] for t in whole])
            cost = {
                "seconds": float(np.mean([own[t].seconds for t in whole])),
                "share_with_model": float(share),
            }
            row = {"method": method, "budget": budget, "chosen_on": chosen_on} | cost | told
            row["p_against_random"] = None if method == RANDOM else row["p_against_random"]
            rows.append({name: row[name] for name in COLUMNS})
            details += [_detail(t, method, budget, own[t], whole[t]) for t in whole]
    return rows, details


def _regrets(
    tasks: Sequence[Known],
    own: Mapping[str, Reached],
    by_chance: Mapping[str, Reached],
    after_all: Mapping[str, Reached],
    seed: int,
) -> dict[str, Any]:
    """Return what a method's choices lose, with intervals over families."""
    families = [one.family for one in tasks]
    best = np.array([one.accuracy.max() for one in tasks])

    def behind(other: Mapping[str, Reached] | None) -> Floats:
        reference = best if other is None else _accuracies(tasks, other)
        found: Floats = 100 * (reference - _accuracies(tasks, own))
        return found

    regret, lost = behind(None), behind(after_all)
    low, high = _interval(regret, families, seed)
    behind_low, behind_high = _interval(lost, families, seed)
    return {
        "tasks": len(tasks),
        "families": len(set(families)),
        "regret_points": float(regret.mean()),
        "regret_points_low": low,
        "regret_points_high": high,
        "behind_everything_points": float(lost.mean()),
        "behind_low": behind_low,
        "behind_high": behind_high,
        "within_one_point": float(np.mean(lost <= CLOSE)),
        "p_against_random": sign_flip_p(behind(by_chance), families),
    }


def _accuracies(tasks: Sequence[Known], reached: Mapping[str, Reached]) -> Floats:
    return np.array([reached[one.task_id].accuracy for one in tasks])


def _detail(
    task_id: str, method: str, budget: float, reached: Reached, whole: float
) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "method": method,
        "budget": budget,
        "accuracy": reached.accuracy,
        "seconds": reached.seconds,
        "seconds_with_model": reached.with_model,
        "seconds_of_everything": whole,
    }


def _interval(
    values: Floats, families: Sequence[str], seed: int
) -> tuple[float | None, float | None]:
    found = mean_interval(values, families, generator(seed, "advice", "bootstrap"))
    return found or (None, None)


def advice_verdict(rows: Sequence[dict[str, Any]]) -> str:
    """Return the sentence that says how near advice comes to trying everything, and for how much."""
    own = [row for row in rows if row["method"] == WITH_TABLE]
    near = [row for row in own if row["behind_everything_points"] <= CLOSE]
    if not near:
        best = min(own, key=lambda row: row["behind_everything_points"])
        return (
            f"No budget brings advice within one point of trying everything: at best it is "
            f"{_behind(best)} behind, for {_percent(best)} of the CPU seconds."
        )
    first = min(near, key=lambda row: row["share_with_model"])
    same = {row["method"]: row for row in rows if row["budget"] == first["budget"]}
    return (
        f"Advice is {_behind(first)} behind trying everything, for {_percent(first)} of the CPU "
        f"seconds, the training of what it names included. For as many or more, random search is "
        f"{_behind(same[RANDOM])} behind (sign flips of families: p = {first['p_against_random']:.2f}); "
        f"advice without the table is {_behind(same[ALONE])} behind, for {_percent(same[ALONE])}."
    )


def _behind(row: Mapping[str, Any]) -> str:
    """Return the points with their interval, if there is one."""
    points = f"{_tenth(row['behind_everything_points'])} points"
    if row["behind_low"] is None:
        return points
    return f"{points} ({_tenth(row['behind_low'])} to {_tenth(row['behind_high'])})"


def _tenth(points: float) -> str:
    return f"{round(points, 1) + 0.0:.1f}"  # no -0.0


def _percent(row: Mapping[str, Any]) -> str:
    return f"{100 * row['share_with_model']:.0f} %"
