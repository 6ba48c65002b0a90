"""`portfolio.csv`: what one would use without meta-learning, a few configurations that do well between
them, and what that loses on families of tasks that had no part in choosing them.

Greedy portfolios as Salinas and Erickson learn them from a table of results (TabRepo, arXiv
2311.02971, 2023): each step adds the configuration that leaves the least mean loss. Here the loss is
the regret, and families of tasks are held out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from metaprobe.core.randomness import generator
from metaprobe.recommend.meta_table import Floats, MetaTable
from metaprobe.tables.families import mean_interval

LARGEST = 12
FEW = 3  # a portfolio to tell of
NAMED = 5  # configurations that a sentence can hold
ROUNDING = 12  # decimals, so that equal sums of other order are equal
MEANS = ("regret_points", "regret_above_floor_points")
COLUMNS = (
    "row",
    "size",
    "task_id",
    "family",
    "configuration",
    "test_accuracy",
    *(f"{name}{end}" for name in MEANS for end in ("", "_low", "_high")),
    "regret_points_in_sample",
)


def greedy(losses: Floats, size: int) -> list[int]:
    """Return columns of (T, C) losses, in the order in which each leaves the least mean of the T
    smallest losses so far; of equal ones the one with the least mean of its own, then the first.
    """
    own = losses.mean(axis=0)
    left = np.full(len(losses), np.inf)
    chosen: list[int] = []
    for _ in range(min(size, losses.shape[1])):
        reached = np.minimum(left[:, None], losses).mean(axis=0).round(ROUNDING)
        rest = (column for column in range(losses.shape[1]) if column not in chosen)
        best = min(rest, key=lambda column: (reached[column], own[column].round(ROUNDING)))
        chosen.append(best)
        left = np.minimum(left, losses[:, best])
    return chosen


def losses(table: MetaTable) -> Floats:
    """Return (T, C): by how much each configuration is behind the task's best, as choices see it."""
    lost: Floats = table.chosen_by.max(axis=1, keepdims=True) - table.chosen_by
    return lost


def held_out(table: MetaTable, size: int) -> dict[int, list[int]]:
    """Return task → the greedy order learnt from the other families; none for a lone family."""
    lost = losses(table)
    orders: dict[int, list[int]] = {}
    for family in dict.fromkeys(table.families):
        own = np.array([one == family for one in table.families])
        if not own.all():
            order = greedy(lost[~own], size)
            orders |= dict.fromkeys(np.flatnonzero(own).tolist(), order)
    return dict(sorted(orders.items()))


def choose(table: MetaTable, task: int, among: Sequence[int]) -> int:
    """Return the one of some configurations that a user who tries them on the task would keep.

    The first of equal ones, as a row names one.
    """
    return among[int(np.argmax(table.chosen_by[task, list(among)]))]


def portfolio_rows(
    table: MetaTable, floors: Mapping[str, float], *, seed: int
) -> list[dict[str, Any]]:
    """Return a row per size of the portfolio (`portfolio`), per size and task that its family had no
    part in (`held_out`), and per task its own best configuration (`best`), with the keys `COLUMNS`.

    Regrets are in accuracy points behind the best on the test images; of a portfolio the mean over
    tasks, with its interval.

    Args:
        floors: task id → its noise floor in accuracy points.
    """
    size = min(len(table.configurations), LARGEST)
    tried = _tried(table, floors, size)
    best = [
        _task_row(table, floors, task, choose(table, task, range(table.accuracy.shape[1])), "best")
        for task in range(len(table.tasks))
    ]
    held = [row for found in tried.values() for row in found]
    return [*_steps(table, tried, seed), *held, *best]


def _tried(
    table: MetaTable, floors: Mapping[str, float], size: int
) -> dict[int, list[dict[str, Any]]]:
    """Return size → a row per task held out, of what is kept of the portfolio of the other families."""
    orders = held_out(table, size)
    return {
        number: [
            _task_row(table, floors, task, choose(table, task, order[:number]), "held_out", number)
            for task, order in orders.items()
        ]
        for number in range(1, size + 1)
    }


def _steps(
    table: MetaTable, tried: Mapping[int, Sequence[Mapping[str, Any]]], seed: int
) -> list[dict[str, Any]]:
    """Return a row per size: what is added on all tasks, and the means over the tasks held out."""
    order = greedy(losses(table), len(tried))
    return [
        {"row": "portfolio", "size": number, "task_id": None, "family": None}
        | {"configuration": list(table.configurations)[order[number - 1]], "test_accuracy": None}
        | _means(rows, seed)
        | {"regret_points_in_sample": _in_sample(table, order[:number])}
        for number, rows in tried.items()
    ]


def _in_sample(table: MetaTable, portfolio: Sequence[int]) -> float:
    """The mean regret of a portfolio, in accuracy points, on all tasks."""
    tasks = range(len(table.tasks))
    return float(np.mean([_regret(table, task, choose(table, task, portfolio)) for task in tasks]))


def _regret(table: MetaTable, task: int, column: int) -> float:
    """In accuracy points, behind the best on the test images."""
    return float(100 * (table.accuracy[task].max() - table.accuracy[task, column]))


def _task_row(
    table: MetaTable,
    floors: Mapping[str, float],
    task: int,
    column: int,
    row: str,
    size: int | None = None,
) -> dict[str, Any]:
    regret = _regret(table, task, column)
    return {
        "row": row,
        "size": size,
        "task_id": table.tasks[task],
        "family": table.families[task],
        "configuration": list(table.configurations)[column],
        "test_accuracy": float(table.accuracy[task, column]),
        "regret_points": regret,
        "regret_above_floor_points": regret - floors[table.tasks[task]],
    }


def _means(rows: Sequence[Mapping[str, Any]], seed: int) -> dict[str, float | None]:
    """The mean of each of `MEANS` over tasks, with its interval; None where there is no task."""
    cells: dict[str, float | None] = {}
    families = [row["family"] for row in rows]
    for name, least in zip(MEANS, (0.0, -100.0), strict=True):
        values = np.array([row[name] for row in rows])
        rng = generator(seed, "portfolio", "bootstrap")  # the same draws for all: they compare
        interval = mean_interval(values, families, rng) if rows else None
        low, high = np.clip(interval, least, 100.0).tolist() if interval else (None, None)
        mean = float(values.mean()) if rows else None
        cells |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return cells


def in_words(rows: Sequence[Mapping[str, Any]], chosen_on: str) -> str:
    """Return what one would use without any meta-learning, and what that loses.

    Of several that are tried on the test images that judge them the noise floor says nothing: their
    regret falls to 0 by itself as they become more.
    """
    steps = [row for row in rows if row["row"] == "portfolio"]
    first = steps[0]
    if first["regret_points"] is None:
        return (
            f"Without any meta-learning one would use {first['configuration']}, the best on average; "
            "what that loses on other data cannot be told from one family of tasks."
        )
    judged = steps if chosen_on == "validation" else steps[:1]
    lucky = [row for row in judged if row["regret_above_floor_points"] <= 0]
    told = [*lucky, *steps[:FEW][-1:]][0]
    sentences = [
        f"Without any meta-learning one would use {first['configuration']}: on tasks whose family had "
        f"no part in choosing it, such a choice is {_points(first)} behind the best."
    ]
    if told is not first:
        sentences.append(_several([row["configuration"] for row in steps], told, chosen_on))
    if lucky:
        sentences.append("That is not above the noise floor: how much of it is luck is not known.")
    return " ".join(sentences)


def _several(names: Sequence[str], row: Mapping[str, Any], chosen_on: str) -> str:
    """Return the sentence of a portfolio; the one that is named is not those that were judged."""
    size = row["size"]
    named = f" (on all tasks: {', '.join(names[:size])})" if size <= NAMED else ""
    where = (
        "the validation images"
        if chosen_on == "validation"
        else "the test images that judge it, and so too good"
    )
    return (
        f"The best of {size} chosen like this{named}, picked on {where}, is {_points(row)} behind on "
        "families that had no part."
    )


def _points(row: Mapping[str, Any]) -> str:
    low, high = row["regret_points_low"], row["regret_points_high"]
    interval = "no interval" if low is None else f"{low:.2f} to {high:.2f}"
    return f"{row['regret_points']:.2f} points ({interval})"


def to_json(
    table: MetaTable, floors: Mapping[str, float], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the rows in full precision, and what they rest on."""
    return {
        "chosen_on": table.chosen_on,
        "tasks": len(table.tasks),
        "families": len(set(table.families)),
        "noise_floor_points": float(np.mean([floors[task] for task in table.tasks])),
        "sentence": in_words(rows, table.chosen_on),
        "rows": list(rows),
    }


def to_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table; numbers to four decimals."""
    rounded = (
        {key: round(one, 4) if isinstance(one, float) else one for key, one in row.items()}
        for row in rows
    )
    return pd.DataFrame(rounded, columns=list(COLUMNS)).astype({"size": "Int64"})
