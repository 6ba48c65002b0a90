"""`advice_evaluation.csv`: the regret of each way to choose, by the seconds it took."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from metaprobe.core.randomness import generator
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.replay import (
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
    by_id = {one.task_id: one for one in tasks}
    found: dict[tuple[str, float], dict[str, Reached]] = {}
    for task_id, method, budget, reached in replay(candidates, tasks, seed):
        found.setdefault((method, budget), {})[task_id] = reached
    whole = {one.task_id: one.prices.of_everything(candidates) for one in tasks}
    after_all = found[EVERYTHING, 1.0]
    families = [one.family for one in tasks]
    rows, details = [], []
    for method in METHODS:
        for budget in BUDGETS:
            if (own := found.get((method, budget))) is None:
                continue
            regret = np.array([100 * (by_id[t].accuracy.max() - own[t].accuracy) for t in by_id])
            behind = np.array([100 * (after_all[t].accuracy - own[t].accuracy) for t in by_id])
            by_chance = np.array(
                [100 * (by_id[t].accuracy.max() - found[RANDOM, budget][t].accuracy) for t in by_id]
            )
            low, high = _interval(regret, families, seed)
            behind_low, behind_high = _interval(behind, families, seed)
            rows.append(
                {
                    "method": method,
                    "budget": budget,
                    "tasks": len(tasks),
                    "families": len(set(families)),
                    "seconds": float(np.mean([own[t].seconds for t in by_id])),
                    "share_with_model": float(
                        np.mean([own[t].with_model / whole[t] for t in by_id])
                    ),
                    "regret_points": float(regret.mean()),
                    "regret_points_low": low,
                    "regret_points_high": high,
                    "behind_everything_points": float(behind.mean()),
                    "behind_low": behind_low,
                    "behind_high": behind_high,
                    "within_one_point": float(np.mean(behind <= CLOSE)),
                    "p_against_random": None
                    if method == RANDOM
                    else sign_flip_p(regret - by_chance, families),
                    "chosen_on": chosen_on,
                }
            )
            details += [
                {
                    "task_id": t,
                    "method": method,
                    "budget": budget,
                    "accuracy": own[t].accuracy,
                    "seconds": own[t].seconds,
                    "seconds_with_model": own[t].with_model,
                    "seconds_of_everything": whole[t],
                }
                for t in by_id
            ]
    return rows, details


def _interval(
    values: "np.ndarray[tuple[int], np.dtype[np.float64]]", families: Sequence[str], seed: int
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
            f"{best['behind_everything_points']:.1f} points behind, for "
            f"{100 * best['share_with_model']:.0f} % of the seconds."
        )
    first = min(near, key=lambda row: row["share_with_model"])
    chance = next(
        row for row in rows if row["method"] == RANDOM and row["budget"] == first["budget"]
    )
    return (
        f"Advice is {first['behind_everything_points']:.1f} points behind trying everything, for "
        f"{100 * first['share_with_model']:.0f} % of the CPU seconds, the training of what it names "
        f"included; random search with that budget is {chance['behind_everything_points']:.1f} points "
        f"behind."
    )
