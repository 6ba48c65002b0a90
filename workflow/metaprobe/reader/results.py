"""The results of a run, each table read when it is asked for, and once."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from metaprobe.core.arrays import Arrays, read_arrays, rows_of
from metaprobe.core.errors import UserError
from metaprobe.reader import tables
from metaprobe.reader.dictionary import defaults, explained
from metaprobe.reader.folds import Fold, folds
from metaprobe.reader.lookup import (
    Answer,
    Grid,
    Trainings,
    mean,
    of_experiments,
    of_sweep,
    unknown,
)
from metaprobe.reader.places import Place
from metaprobe.reader.space import space

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class Text(str):
    """A text that an interactive Python shows as it is."""

    def __repr__(self) -> str:
        return str(self)


class Results:
    """What a run has written; of an unfinished one, what is there.

    Each property raises a UserError if its file is missing, which says what makes it, or damaged.
    `help` says what the columns are.
    """

    def __init__(self, place: Place) -> None:
        """Read nothing yet."""
        self.place = place

    def __repr__(self) -> str:
        return f"metaprobe.load({self.place.name!r})"

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """A row per data set."""
        return tables.tasks(self.place, lambda: self.experiments)

    @cached_property
    def configurations(self) -> pd.DataFrame:
        """A row per configuration: its hyperparameters, 0 where one is not in use."""
        return tables.configurations(self.experiments)

    @cached_property
    def experiments(self) -> pd.DataFrame:
        """A row per data set and configuration."""
        return tables.experiments(self.place)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row per experiment, replicate and epoch."""
        return tables.curves(self.place)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per experiment, replicate and test image."""
        return tables.predictions(self.place)

    @cached_property
    def meta_features(self) -> pd.DataFrame:
        """A row per data set: its description in numbers."""
        return tables.meta_features(self.place)

    @cached_property
    def sweep(self) -> pd.DataFrame:
        """A row per data set, entry of the grid and replicate; curves are lists of Arrow."""
        return tables.sweep(self.place)

    def features(self, task: str, backbone: str | None = None) -> Arrays:
        """Return what a frozen backbone makes of the images of a task.

        Args:
            backbone: need not be said if there is one.

        Returns:
            `train_features` (N, D) and `test_features` (M, D) float32, `train_labels` (N,) and
            `test_labels` (M,) int64, and what else the file holds.

        Raises:
            UserError: there are none, or the file is damaged.
        """
        names = [n.split("/") for n in self.place.names("features/*/*.safetensors")]
        there: dict[str, list[str]] = {}
        for _, owner, file in names:
            there.setdefault(owner, []).append(file.removesuffix(".safetensors"))
        if not there:
            raise tables.lacking(self.place, f"features/{task}/{backbone or '…'}.safetensors")
        if task not in there:
            raise unknown("task with features", task, there)
        if backbone is None and len(there[task]) > 1:
            raise UserError(f"features({task!r}): name the backbone, {' or '.join(there[task])}")
        backbone = backbone or there[task][0]
        if backbone not in there[task]:
            raise unknown(f"backbone of {task}", backbone, dict.fromkeys(there[task]))
        return self._arrays(f"features/{task}/{backbone}.safetensors")

    def _arrays(self, name: str) -> Arrays:
        path = self.place.path(name)
        if path is None:
            raise tables.lacking(self.place, name)
        if (parent := rows_of(path)) is not None:  # fetched out of a .zip
            self.place.path(Path(os.path.relpath(parent, self.place.root)).as_posix())
        return read_arrays(path)[0]

    def query(
        self, task: str, configuration: str | Mapping[str, Any], epoch: int | None = None
    ) -> Answer:
        """Return what a training came to: validation and test accuracy, and the seconds it takes.

        The first query takes as long as reading the tables does, the others microseconds.

        Args:
            configuration: its id; or hyperparameters, of the sweep if there is one. What these do
                not say has its default, as in `configurations.yaml`.
            epoch: from 1; absent: what was kept at the end.

        Returns:
            Of several replicates the mean.

        Raises:
            UserError: there is no such training, or it has no such epoch.
        """
        if isinstance(configuration, str):
            row = self._row_of.get((task, configuration))
            if row is None:
                raise self._no_experiment(task, configuration)
            return self._experiments.at(row, epoch)
        rows = self._grid.find(task, configuration)
        if len(rows) == 1:
            return self._trainings.at(rows[0], epoch)
        return mean([self._trainings.at(row, epoch) for row in rows])

    def _no_experiment(self, task: str, configuration: str) -> UserError:
        kinds = {"task": (task, "task_id"), "configuration": (configuration, "configuration")}
        for kind, (name, column) in kinds.items():
            known = dict.fromkeys(self.experiments[column].tolist())
            if name not in known:
                return unknown(kind, name, known)
        return UserError(f"{task}, {configuration} is not finished: `{tables.RUN}` goes on")

    @cached_property
    def _row_of(self) -> dict[tuple[str, str], int]:
        ids = (self.experiments[name].tolist() for name in ("task_id", "configuration"))
        return {pair: row for row, pair in enumerate(zip(*ids, strict=True))}

    @cached_property
    def _experiments(self) -> Trainings:
        return of_experiments(self.experiments, self.curves)

    @cached_property
    def _has_sweep(self) -> bool:
        return bool(self.place.path("sweep.parquet") or self.place.names("sweep/*/*.parquet"))

    @cached_property
    def _gridded(self) -> pd.DataFrame:
        return self.sweep if self._has_sweep else self.experiments

    @cached_property
    def _grid(self) -> Grid:
        return Grid(self._gridded)

    @cached_property
    def _trainings(self) -> Trainings:
        return of_sweep(self.sweep) if self._has_sweep else self._experiments

    def space(self, seed: int | None = None) -> "ConfigurationSpace":
        """Return the hyperparameters and their values, of the sweep if there is one, as a ConfigSpace.

        Without a sweep not every point of it was trained, and `query` says so.

        Raises:
            UserError: ConfigSpace is not installed.
        """
        names = [name for name in defaults() if name in self._gridded]
        return space({name: self._gridded[name].unique().tolist() for name in names}, seed)

    def folds(self, k: int = 5, seed: int = 0) -> list[Fold]:
        """Return of each of k folds the tasks to learn from and those held out, families whole.

        Raises:
            UserError: there are fewer families than folds, or a task's is not known yet.
        """
        return folds(self.tasks, k, seed)

    def help(self, column: str | None = None) -> str:
        """Return what all columns are, or one; print it, or look at it.

        Raises:
            UserError: no table has that column.
        """
        rows = explained(column)
        if not rows:
            raise unknown("column", column, {name: None for _, name, _ in explained()})
        unit = {True: "", False: ", {}"}
        return Text(
            "\n".join(
                f"{table}.{name} ({one.type}{unit[not one.unit].format(one.unit)}): {one.meaning}"
                for table, name, one in rows
            )
        )
