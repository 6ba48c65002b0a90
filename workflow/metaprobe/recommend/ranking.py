"""The recommendation for one new data set: ranked configurations, nearest tasks, and warnings."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, read_checked_json
from metaprobe.core.text_table import aligned
from metaprobe.recommend.meta_table import Floats, MetaTable, select_tasks
from metaprobe.recommend.recommenders import basic_distances, recommender

COVERAGE_CLIP = 10.0  # deviations: one odd column must not alone decide
FEWEST_TASKS_TO_JUDGE = 3
SHOWN = 10


def read_new_task(description: str, table: MetaTable) -> Floats:
    """Return the (D,) meta-features of a described data set, in the table's order.

    Raises:
        UserError: the description is broken, or has other columns than the table.
    """
    try:
        values: Mapping[str, float] = read_checked_json(description)["rows"][0]
    except (KeyError, IndexError, TypeError):
        raise broken(description, "it is not a description") from None
    if differing := set(values) ^ set(table.columns):
        raise broken(description, f"it and the table differ in {', '.join(sorted(differing))}")
    return np.array([values[name] for name in table.columns], dtype=np.float64)


def recommend(
    task_id: str,
    basic: Floats,
    table: MetaTable,
    *,
    method: str,
    neighbours: int,
    weights: str = "imagenet",
) -> dict[str, Any]:
    """Rank the table's configurations for a new task; the content of `recommendations/{id}.json`.

    Args:
        basic: (D,) the new task's meta-features.
        method: a key of `RECOMMENDERS`, which may raise a UserError.
        neighbours: tasks that count; fewer where the table has fewer.
        weights: the run's setting, `imagenet` or `random`.
    """
    if task_id in table.tasks:
        raise UserError(f"{task_id} is a task of the table; its accuracies are known")
    advice = recommender(method, neighbours)(table, basic)
    expected = advice.weights @ table.accuracy
    spread = np.sqrt(advice.weights @ np.square(table.accuracy - expected))
    distances = basic_distances(table, basic, COVERAGE_CLIP)
    names = list(table.configurations)
    ranked = [
        {
            "rank": rank,
            "configuration": names[position],
            "expected_accuracy": float(expected[position]),
            "accuracy_spread": float(spread[position]),
            "score": float(advice.scores[position]),
            "hyperparameters": table.configurations[names[position]],
        }
        for rank, position in enumerate(np.argsort(-advice.scores, kind="stable"), start=1)
    ]
    closest = np.lexsort((distances, -advice.weights))[:neighbours]
    best = table.chosen_by.argmax(axis=1)
    coverage = judge_coverage(table, basic)
    return {
        "task_id": task_id,
        "method": method,
        "tasks_in_table": len(table.tasks),
        "configurations": ranked,
        "neighbours": [
            {
                "task_id": table.tasks[position],
                "family": table.families[position],
                "weight": float(advice.weights[position]),
                "distance": float(distances[position]),
                "best_configuration": names[best[position]],
                "best_accuracy": float(table.accuracy[position, best[position]]),
            }
            for position in closest
        ],
        "coverage": coverage,
        "warnings": list(_warnings(coverage, table, weights)),
    }


def judge_coverage(table: MetaTable, basic: Floats) -> dict[str, Any]:
    """Return whether a new task lies among those of the table.

    Its distance to the nearest task, against the same distance of each task of the table when that
    task is the new one; and the columns in which it exceeds all tasks of the table.
    """

    def to_nearest(one: Floats, tasks: MetaTable) -> float:
        return float(basic_distances(tasks, one, COVERAGE_CLIP).min())

    every = np.arange(len(table.tasks))
    distance = to_nearest(basic, table)
    among = [
        to_nearest(table.basic[task], select_tasks(table, every[every != task]))
        for task in (every if len(every) > 1 else ())
    ]
    low, high = table.basic.min(axis=0), table.basic.max(axis=0)
    return {
        "nearest_distance": distance,
        "nearest_distances_of_tasks": dict(zip(table.tasks, among, strict=False)),
        "outside": bool(len(among) >= FEWEST_TASKS_TO_JUDGE and distance > max(among)),
        "columns_beyond_the_table": [
            {"column": name, "value": float(value), "lowest": float(least), "highest": float(most)}
            for name, value, least, most in zip(table.columns, basic, low, high, strict=True)
            if not least <= value <= most
        ],
    }


def _warnings(coverage: dict[str, Any], table: MetaTable, weights: str) -> Iterator[str]:
    count = len(table.tasks)
    if weights == "random":
        yield (
            "the backbones have random weights: this shows how a recommendation is made; do not "
            "follow it"
        )
    if count < FEWEST_TASKS_TO_JUDGE:
        yield f"the table has only {count} tasks: whether it covers this data set cannot be judged"
    if coverage["outside"]:
        farthest = max(coverage["nearest_distances_of_tasks"].values())
        yield (
            "this data set lies outside what the table covers: its nearest task is "
            f"{coverage['nearest_distance']:.2f} deviations away, but no task of the table is more "
            f"than {farthest:.2f} from its own nearest; trust the ranking as you would a guess"
        )
    if beyond := coverage["columns_beyond_the_table"]:
        yield (
            f"{len(beyond)} of its {len(table.columns)} meta-features are beyond those of all "
            f"tasks: {', '.join(one['column'] for one in beyond)}"
        )


def to_text(recommendation: dict[str, Any]) -> str:
    """Return the recommendation as it is printed: the ten best, the neighbours, the warnings."""
    ranked, near = recommendation["configurations"], recommendation["neighbours"]
    lines = [
        f"{recommendation['task_id']}: configurations ranked by `{recommendation['method']}` from "
        f"{recommendation['tasks_in_table']} tasks",
        "",
        *aligned(
            [("rank", "configuration", "expected accuracy", "spread among tasks")]
            + [
                (
                    str(one["rank"]),
                    one["configuration"],
                    f"{one['expected_accuracy']:.3f}",
                    f"{one['accuracy_spread']:.3f}",
                )
                for one in ranked[:SHOWN]
            ]
        ),
    ]
    if len(ranked) > SHOWN:
        lines.append(f"… and {len(ranked) - SHOWN} more")
    lines += [
        "",
        *aligned(
            [("nearest task", "weight", "distance", "its best", "accuracy")]
            + [
                (
                    one["task_id"],
                    f"{one['weight']:.2f}",
                    f"{one['distance']:.2f}",
                    one["best_configuration"],
                    f"{one['best_accuracy']:.3f}",
                )
                for one in near[:SHOWN]
            ]
        ),
        *(f"\nwarning: {warning}" for warning in recommendation["warnings"]),
    ]
    return "\n".join(lines)


def to_table(recommendation: dict[str, Any]) -> pd.DataFrame:
    """Return one row per configuration, best first; hyperparameters as columns."""
    return pd.DataFrame(
        {key: value for key, value in one.items() if key != "hyperparameters"}
        | one["hyperparameters"]
        for one in recommendation["configurations"]
    )
