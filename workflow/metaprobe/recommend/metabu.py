"""The two tables in the strict numeric form that Metabu's `train` takes, and their checks.

Metabu (Rakotoarison et al., ICLR 2022) takes every column but the id as a coordinate. A task is
the cloud of its rows; the cost between two tasks is the optimal transport between their clouds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metaprobe.core.files import digest_files, write_checked_json, write_csv
from metaprobe.recommend.meta_table import (
    Floats,
    MetaTable,
    Scaler,
    fit_scaler,
    standardise_accuracy,
)

FEWEST_TASKS = 11  # with fewer, Metabu's estimate of the intrinsic dimension takes the log of 0
CLIP = 3.0
ACCURACY = "test_accuracy_z"
LOGARITHMIC = ("learning_rate", "weight_decay")
SAME = 1e-12


@dataclass(frozen=True)
class TargetForm:
    """The coordinates of the configurations.

    Attributes:
        columns: (F,) names.
        coordinates: (C, F) standardised.
        scaler: of the F columns before they were standardised.
        least_weight_decay: what stands for a weight decay of 0 before the logarithm.
    """

    columns: tuple[str, ...]
    coordinates: Floats
    scaler: Scaler
    least_weight_decay: float


def target_form(configurations: dict[str, dict[str, Any]]) -> TargetForm:
    """Return hyperparameters as numbers: one-hot texts, two logarithms, constants dropped, standardised.

    A hyperparameter that is not in use is 0. As 0 has no logarithm, a weight decay of 0 stands one
    decade below the smallest in use, and so does the learning rate of a head that has none.
    """
    rows = list(configurations.values())
    decays = [row["weight_decay"] for row in rows if row["weight_decay"] > 0]
    least = min(decays, default=1.0) / 10
    used = [row["learning_rate"] for row in rows if row["learning_rate"] > 0]
    floors = {"weight_decay": least, "learning_rate": min(used, default=1.0) / 10}
    raw: dict[str, list[float]] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if any(isinstance(value, str) for value in values):
            for category in dict.fromkeys(values):
                raw[f"{name}_{category}"] = [float(value == category) for value in values]
        elif name in LOGARITHMIC:
            raw[f"log10_{name}"] = [float(np.log10(value or floors[name])) for value in values]
        else:
            raw[name] = [float(value) for value in values]
    numbers = np.array(list(raw.values()), dtype=np.float64).T
    varies = fit_scaler(numbers).deviation > 0
    scaler = fit_scaler(numbers[:, varies])
    coordinates = scaler.apply(numbers[:, varies], np.inf)
    return TargetForm(tuple(compress(raw, varies)), coordinates, scaler, least)


def clouds(table: MetaTable, form: TargetForm) -> Floats:
    """Return (T, C, F + 1): each task's rows, hyperparameters first, then its z-scored accuracy."""
    hyperparameters = np.broadcast_to(form.coordinates, (len(table.tasks), *form.coordinates.shape))
    z = standardise_accuracy(table.accuracy)
    return np.concatenate([hyperparameters, z[:, :, None]], axis=2)


def cost_matrix(points: Floats) -> Floats:
    """Return the (T, T) cost between tasks as Metabu computes it from (T, C, F) clouds.

    Exact optimal transport of uniform weights under squared Euclidean distances that are divided
    by their maximum per pair; then all divided by the greatest cost. Clouds of one size are
    matched one to one at the optimum, so that an assignment is enough (Peyré and Cuturi 2019,
    proposition 2.1). Where Metabu would divide 0 by 0, the cost is 0.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    cost = np.zeros((len(points), len(points)))
    for first in range(len(points)):
        for second in range(first):
            distances = cdist(points[first], points[second], "sqeuclidean")
            chosen = linear_sum_assignment(distances)
            greatest = distances.max()
            transport = distances[chosen].mean() / greatest if greatest > 0 else 0.0
            cost[first, second] = cost[second, first] = transport
    return cost / (cost.max() or 1.0)


def obstacles(table: MetaTable, cost: Floats) -> Iterator[str]:
    """Yield why Metabu would fail on these tables, or would seem to learn and not do it."""
    if len(table.tasks) < FEWEST_TASKS:
        yield (
            f"Metabu cannot train on {len(table.tasks)} tasks (its estimate of the intrinsic "
            f"dimension ends in a math domain error): at least {FEWEST_TASKS} are needed"
        )
    pairs = [
        f"{table.tasks[second]} and {table.tasks[first]}"
        for first, second in zip(*np.nonzero(cost < SAME), strict=True)
        if second < first
    ]
    if pairs:
        shown = "; ".join(pairs[:5]) + (f"; and {len(pairs) - 5} more" if len(pairs) > 5 else "")
        yield (
            f"the cost between these tasks is 0: {shown}; Metabu would silently learn nothing "
            "from the whole table: leave out all but one of such tasks (only_datasets)"
        )


def flat_tasks(table: MetaTable) -> Iterator[str]:
    """Yield the tasks that say nothing of which configuration is better."""
    if flat := list(compress(table.tasks, np.ptp(table.accuracy, axis=1) == 0)):
        yield (
            f"all configurations score the same on {', '.join(flat)}: nothing can be learnt from "
            "that; leave such tasks out (only_datasets)"
        )


def export(table: MetaTable, folder: str | Path, made_from: Mapping[str, str]) -> list[str]:
    """Write both tables and the scaler into `folder`; return what is wrong with them for Metabu.

    Args:
        made_from: the run's tables, by their names in the results folder, and their digests.
    """
    form = target_form(table.configurations)
    points = clouds(table, form)
    warnings = [*obstacles(table, cost_matrix(points)), *flat_tasks(table)]
    basic_scaler = fit_scaler(table.basic)
    varies = basic_scaler.deviation > 0
    columns = list(compress(table.columns, varies))
    basic = basic_scaler.apply(table.basic, CLIP)[:, varies]
    scaler = {
        "target": {
            "columns": _scales(form.columns, form.scaler),
            "weight_decay_0_is": form.least_weight_decay,
            ACCURACY: "z-score of test_accuracy within the task, population standard deviation",
        },
        "basic": {
            "columns": _scales(
                columns, Scaler(basic_scaler.mean[varies], basic_scaler.deviation[varies])
            ),
            "clip": CLIP,
        },
        "configurations": list(table.configurations),
        "warnings": warnings,
        "made_from": dict(made_from),
    }
    target_columns, rows = [*form.columns, ACCURACY], np.concatenate(points)
    target_path, basic_path = (
        Path(folder, f"{name}_representations.csv") for name in ("target", "basic")
    )
    _write_csv(target_path, table.tasks, target_columns, rows)
    _write_csv(basic_path, table.tasks, columns, basic)
    scaler["tables"] = digest_files(folder, [target_path, basic_path])
    write_checked_json(Path(folder, "scaler.json"), scaler)
    return warnings


def _scales(columns: Sequence[str], scaler: Scaler) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": float(mean), "standard_deviation": float(deviation)}
        for name, mean, deviation in zip(columns, scaler.mean, scaler.deviation, strict=True)
    }


def _write_csv(path: Path, tasks: Sequence[str], columns: Sequence[str], values: Floats) -> None:
    rounded = np.round(values, 10) + 0.0
    frame = pd.DataFrame(rounded, columns=list(columns)).map("{:.10g}".format)
    frame.insert(0, "task_id", np.repeat(tasks, len(values) // len(tasks)))
    write_csv(path, frame)
