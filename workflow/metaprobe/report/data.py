"""What the report tells, read from the files of a run: numbers and sentences, no picture and no page."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaprobe.operations.status import State
from metaprobe.tables.collect import Tables
from metaprobe.training.fragment import Experiment

Floats = NDArray[np.float64]
DERIVED = ", derived from "  # in `read_as` of a data set that has images of another


@dataclass(frozen=True)
class Run:
    """All that is known of a run.

    Attributes:
        states: of every declared experiment, in the declared order.
        tables: of those that are done.
        licences: task id -> licence, of the data sets that name one.
        validation: validation.json; None: not there yet.
        evaluation: recommendation_evaluation.json; None: not there yet.
        machine: what the report was made on, name -> value.
        portfolio: portfolio.json; None: not there yet.
        comparisons: comparisons.csv; None: not there yet.
    """

    states: Mapping[Experiment, State]
    tables: Tables
    licences: Mapping[str, str]
    validation: dict[str, Any] | None
    evaluation: dict[str, Any] | None
    machine: Mapping[str, str]
    portfolio: dict[str, Any] | None = None
    comparisons: pd.DataFrame | None = None

    @cached_property
    def tasks(self) -> list[str]:
        """In the declared order."""
        return list(dict.fromkeys(task for task, _ in self.states))

    @cached_property
    def configurations(self) -> list[str]:
        """In the declared order."""
        return list(dict.fromkeys(name for _, name in self.states))

    @property
    def experiments(self) -> pd.DataFrame:
        """The table of those that are done."""
        return self.tables.experiments

    def matrix(self, column: str) -> Floats:
        """Return a column as (tasks, configurations); NaN where the experiment is not done."""
        table = self.experiments.pivot(index="task_id", columns="configuration", values=column)
        table = table.reindex(index=self.tasks, columns=self.configurations)
        return table.to_numpy(dtype=float)

    @cached_property
    def accuracy(self) -> Floats:
        """Test accuracy (tasks, configurations)."""
        return self.matrix("test_accuracy")

    @cached_property
    def seconds(self) -> Floats:
        """Seconds of an experiment alone (tasks, configurations)."""
        return self.matrix("training_time_sec")

    @cached_property
    def above_chance(self) -> Floats:
        """Of each task how far its mean accuracy is from always guessing the most frequent class (0)
        to perfect (1); NaN where nothing is done.
        """
        rates = self.experiments.drop_duplicates("task_id").set_index("task_id").test_majority_rate
        chance = rates.reindex(self.tasks).to_numpy(dtype=float)
        mean = mean_of(self.accuracy, 1)
        found: Floats = (mean - chance) / np.where(chance < 1, 1 - chance, np.nan)
        return found

    @cached_property
    def regret(self) -> Floats:
        """Accuracy of the task's best configuration less the configuration's own, as `accuracy`."""
        best = np.fmax.reduce(self.accuracy, axis=1, keepdims=True)  # of what is there
        return best - self.accuracy

    @cached_property
    def whole_tasks(self) -> NDArray[np.bool_]:
        """The tasks all of whose configurations are done."""
        return np.asarray(~np.isnan(self.accuracy).any(axis=1))

    @cached_property
    def families(self) -> list[str]:
        """Of each task, which is its own where none is known."""
        known = self.experiments.drop_duplicates("task_id").set_index("task_id").family
        known = known.reindex(self.tasks)
        return [str(one) for one in known.where(known.notna(), self.tasks)]

    def count(self, state: str) -> int:
        """Experiments in a state: `done`, `failed` or `missing`."""
        return sum(one.name == state for one in self.states.values())


def mean_of(values: Floats, axis: int) -> Floats:
    """Return the mean of what is there along an axis; NaN where nothing is."""
    means: Floats = np.ma.masked_invalid(values).mean(axis=axis).filled(np.nan)
    return means


def hours(run: Run) -> dict[str, float]:
    """Return phase -> hours; the features of a data set and architecture count once, whatever the
    number of heads, and those of a derived data set not at all: they are its parent's.
    """
    features = run.experiments.drop_duplicates(["task_id", "architecture"], keep="last")
    features = features[~features.read_as.astype(str).str.contains(DERIVED, regex=False)]
    seconds = features.seconds_train_features + features.seconds_test_features
    by_architecture = seconds.groupby(features.architecture, sort=False).sum()
    phases = {f"features, {name}": spent for name, spent in by_architecture.items()}
    phases["heads"] = run.tables.replicates.seconds.sum()
    return {name: float(spent) / 3600 for name, spent in phases.items()}


def judged_by(run: Run) -> str:
    """Return the column that a best configuration is chosen by: of validation images, where all have them."""
    column = "validation_accuracy"
    chosen = column in run.experiments and run.experiments[column].notna().all()
    return column if chosen else "test_accuracy"


def cards(run: Run) -> list[dict[str, Any]]:
    """Return one per task: what it is, and its best and worst configuration, as `judged_by` says."""
    found = []
    done = dict(list(run.experiments.groupby("task_id")))
    for task, above in zip(run.tasks, run.above_chance, strict=True):
        card: dict[str, Any] = {"task": task, "licence": run.licences.get(task)}
        if task in done:
            order = np.argsort(-done[task][judged_by(run)].to_numpy(), kind="stable")
            ranked = records(done[task].iloc[order])
            card |= ranked[0] | {"best": ranked[0], "worst": ranked[-1]}
            card |= {"above_chance": None if np.isnan(above) else float(above)}
        found.append(card)
    return found


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table; what does not apply is None."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
