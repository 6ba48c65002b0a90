"""What a meta-learner learns from: every task's accuracies, and the tasks' meta-features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.configurations import HYPERPARAMETERS
from metaprobe.core.errors import UserError
from metaprobe.core.parquet import read_parquet

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MetaTable:
    """T tasks, C configurations that all of them share, D meta-features.

    Attributes:
        tasks: (T,) ids.
        families: (T,) tasks of one family share images; a task without one is its own.
        configurations: id → hyperparameters, C of them.
        accuracy: (T, C) test accuracies as fractions, by which every choice is judged.
        columns: (D,) names of the meta-features.
        basic: (T, D) the meta-features.
        validation: (T, C) accuracies on validation images; None where an experiment has none.
    """

    tasks: tuple[str, ...]
    families: tuple[str, ...]
    configurations: dict[str, dict[str, Any]]
    accuracy: Floats
    columns: tuple[str, ...]
    basic: Floats
    validation: Floats | None = None

    @property
    def chosen_by(self) -> Floats:
        """(T, C) what is learned from and chosen by: of validation images, if all have them."""
        return self.accuracy if self.validation is None else self.validation

    @property
    def chosen_on(self) -> str:
        """`test` or `validation`: of which images `chosen_by` is."""
        return "test" if self.validation is None else "validation"


@dataclass(frozen=True)
class Scaler:
    """Column means and standard deviations, (D,) each; a constant column's deviation is 0."""

    mean: Floats
    deviation: Floats

    def apply(self, rows: Floats, clip: float) -> Floats:
        """Standardise (N, D) or (D,) and clip to ±`clip`; constant columns become 0."""
        varies = self.deviation > 0
        divisor = np.where(varies, self.deviation, 1)
        return np.where(varies, np.clip((rows - self.mean) / divisor, -clip, clip), 0.0)


def fit_scaler(rows: Floats) -> Scaler:
    """Return the mean and population standard deviation of the columns of (N, D)."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    rounding = 1e-9 * np.maximum(np.abs(mean), 1e-9)
    return Scaler(mean, np.where(deviation > rounding, deviation, 0.0))


def standardise_accuracy(accuracy: Floats) -> Floats:
    """Return z-scores of (T, C) accuracies within each task; 0 where all configurations score the same."""
    centred = accuracy - accuracy.mean(axis=1, keepdims=True)
    deviation = accuracy.std(axis=1, keepdims=True)
    flat = np.ptp(accuracy, axis=1, keepdims=True) == 0
    return np.where(flat, 0.0, centred / np.where(flat, 1.0, deviation))


def select_tasks(table: MetaTable, chosen: Sequence[int] | NDArray[np.int64]) -> MetaTable:
    """Return the table of some of its tasks, by their positions."""
    positions = list(chosen)
    return replace(
        table,
        tasks=tuple(table.tasks[position] for position in positions),
        families=tuple(table.families[position] for position in positions),
        accuracy=table.accuracy[positions],
        validation=None if table.validation is None else table.validation[positions],
        basic=table.basic[positions],
    )


def read_meta_table(experiments: str | Path, basic: str | Path) -> MetaTable:
    """Join `experiments.parquet`, every task with every configuration, with
    `basic_representations.parquet`.

    Raises:
        UserError: a file is missing or damaged, or the two have different tasks.
    """
    frame = read_parquet(experiments)
    columns, rows = read_basic(basic)
    tasks = frame.drop_duplicates("task_id").set_index("task_id")
    configurations = frame.drop_duplicates("configuration").set_index("configuration")
    check_same_tasks(dict.fromkeys(tasks.index), rows, str(basic))

    def values(column: str) -> Floats:
        found = frame.pivot(index="task_id", columns="configuration", values=column)
        return found.loc[tasks.index, configurations.index].to_numpy(dtype=np.float64)

    validated = frame["validation_accuracy"].notna().all()
    return MetaTable(
        tasks=tuple(tasks.index),
        families=tuple(tasks.family.fillna(dict(zip(tasks.index, tasks.index, strict=True)))),
        configurations={
            str(name): {key: row[key] for key in HYPERPARAMETERS}
            for name, row in configurations.to_dict("index").items()
        },
        accuracy=values("test_accuracy"),
        validation=values("validation_accuracy") if validated else None,
        columns=columns,
        basic=np.array([rows[task_id] for task_id in tasks.index], dtype=np.float64),
    )


def read_basic(path: str | Path) -> tuple[tuple[str, ...], dict[str, list[float]]]:
    """Return columns, and task_id → values, of `basic_representations.parquet`.

    Raises:
        UserError: it is missing or damaged.
    """
    frame = read_parquet(path).set_index("task_id")
    rows = {str(task_id): list(map(float, row)) for task_id, *row in frame.itertuples()}
    return tuple(frame.columns), rows


def check_same_tasks(
    target: Mapping[str, Any], basic: Mapping[str, Any], basic_name: str = "basic_representations"
) -> None:
    """Raise a UserError that names the task ids that only one of both sides has."""
    if lacking := [task_id for task_id in target if task_id not in basic]:
        raise UserError(f"{basic_name} lacks the tasks {', '.join(lacking)}: describe them too")
    if extra := [task_id for task_id in basic if task_id not in target]:
        raise UserError(
            f"{basic_name} has tasks without experiments: {', '.join(extra)}: remove their rows, "
            "or run their experiments"
        )
