"""The tables of a run as an advice reads them: by task, configuration, backbone and rung."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaprobe.config.configurations import HYPERPARAMETERS
from metaprobe.recommend.advice.probes import RUNGS, rungs_of

Floats = NDArray[np.float64]


def families_of(experiments: pd.DataFrame) -> list[str]:
    """Return the family of each task, in the order of the table; a task without one is its own."""
    tasks = experiments.drop_duplicates("task_id")
    return [str(one) for one in tasks.family.fillna(tasks.task_id)]


def hyperparameters_of(experiments: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the hyperparameters in use of each configuration, in the order of the table."""
    rows = experiments.drop_duplicates("configuration").set_index("configuration")
    names = [name for name in HYPERPARAMETERS if name in rows]
    found: dict[Any, Any] = rows[names].to_dict("index")
    return {str(name): as_hyperparameters(row) for name, row in found.items()}


def as_matrix(experiments: pd.DataFrame, column: str) -> Floats:
    """Return a column as (T, C), in the order of the table; NaN where it has no such column."""
    tasks = list(dict.fromkeys(experiments.task_id))
    names = list(dict.fromkeys(experiments.configuration))
    if column not in experiments:
        return np.full((len(tasks), len(names)), np.nan)
    found = experiments.pivot(index="task_id", columns="configuration", values=column)
    return found.reindex(index=tasks, columns=names).to_numpy(dtype=np.float64)


def as_hyperparameters(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a row of experiments is in use: no NaN, no None."""
    return {key: value for key, value in row.items() if value is not None and value == value}


def probes_of(table: pd.DataFrame, tasks: Sequence[str], backbones: Sequence[str]) -> Floats:
    """Return probes by rung (T, B, K) of `probes.parquet`; NaN where there is none.

    A task with fewer images than a rung has has none there.
    """
    found = np.full((len(tasks), len(backbones), len(RUNGS)), np.nan)
    for ids, own in table.groupby(["task_id", "architecture"]):
        task_id, name = map(str, ids)
        if task_id in tasks and name in backbones:
            curve = dict(zip(own.images.tolist(), own.leave_one_out_accuracy.tolist(), strict=True))
            place = list(tasks).index(task_id), list(backbones).index(name)
            found[place] = rungs_on(curve, max(curve))
    return found


def rungs_on(probes: dict[int, float], train_images: int) -> Floats:
    """Return a task's probes by rung: (K,), NaN beyond its images."""
    found = np.full(len(RUNGS), np.nan)
    for number, images in enumerate(rungs_of(train_images)):
        found[number] = probes.get(images, np.nan)
    return found
