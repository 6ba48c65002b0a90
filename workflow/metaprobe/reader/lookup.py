"""Accuracies and seconds of one training in microseconds: a dictionary of rows, and plain lists."""

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from metaprobe.config.conditions import means_something
from metaprobe.core.errors import UserError
from metaprobe.reader.dictionary import defaults

Key = tuple[Hashable, ...]
SHOWN = 8  # values that a complaint names
INACTIVE = None  # in the place of a value that means nothing beside the others


class Answer(NamedTuple):
    """What a training came to.

    Attributes:
        validation: accuracy on the validation images; NaN without such images, or if it diverged.
        test: accuracy on the test images.
        seconds: what the training takes up to that epoch. Of an experiment wall seconds, with the
            features of its training images; of a row of the sweep CPU seconds of the head alone.
    """

    validation: float
    test: float
    seconds: float


@dataclass(frozen=True)
class Trainings:
    """N trainings, and their curves one after another in flat lists.

    Attributes:
        last: (N,) what each came to.
        head_seconds: (N,) what grows with the epochs of its seconds.
        epochs: (N,) epochs that these are of.
        starts: (N + 1,) where its curve begins.
        validation: accuracies by epoch, of all curves.
        test: the same.
    """

    last: list[Answer]
    head_seconds: list[float]
    epochs: list[float]
    starts: list[int]
    validation: list[float]
    test: list[float]

    def at(self, row: int, epoch: int | None) -> Answer:
        """Return what a training came to, at its end or at an epoch, counted from 1.

        Raises:
            UserError: it has no such epoch.
        """
        last = self.last[row]
        if epoch is None:
            return last
        start, stop = self.starts[row], self.starts[row + 1]
        if not 1 <= epoch <= stop - start:
            there = f"1 to {stop - start}" if stop > start else "no curve"
            raise UserError(f"epoch {epoch} is out of range: this training has {there}")
        place = start + epoch - 1
        left = self.head_seconds[row] * (1 - epoch / self.epochs[row])
        return Answer(self.validation[place], self.test[place], last.seconds - left)


def of_experiments(experiments: pd.DataFrame, curves: pd.DataFrame) -> Trainings:
    """Return the experiments in their order; of several replicates the means, as the table has them."""
    ids = ["task_id", "configuration"]
    by_epoch = curves.groupby([*ids, "epoch"], sort=False)
    names = ["validation_accuracy", "test_accuracy"]
    means = by_epoch[names].mean() if curves.replicate.any() else by_epoch[names].first()
    order = {pair: row for row, pair in enumerate(_pairs(experiments[ids]))}
    means = means.reset_index()
    rows = np.array([order.get(pair, -1) for pair in _pairs(means[ids])], np.int64)
    means = means.assign(row=rows)[rows >= 0].sort_values(["row", "epoch"], kind="stable")
    lengths = np.bincount(means.row, minlength=len(experiments))
    return Trainings(
        last=_last(experiments, "training_time_sec"),
        head_seconds=experiments.seconds_head.tolist(),
        epochs=np.maximum(lengths, 1).tolist(),
        starts=[0, *np.cumsum(lengths).tolist()],
        validation=means.validation_accuracy.tolist(),
        test=means.test_accuracy.tolist(),
    )


def _pairs(frame: pd.DataFrame) -> list[Key]:
    return list(zip(*(frame[name].tolist() for name in frame), strict=True))


def _last(rows: pd.DataFrame, seconds: str) -> list[Answer]:
    names = ["validation_accuracy", "test_accuracy", seconds]
    return list(map(Answer._make, zip(*(rows[name].tolist() for name in names), strict=True)))


def of_sweep(sweep: pd.DataFrame) -> Trainings:
    """Return the rows of a sweep in their order."""
    tests, starts = _flat(sweep.epoch_test_accuracy)
    validations, own = _flat(sweep.epoch_validation_accuracy)
    if own != starts:  # without validation images its lists are empty or null
        validations = [math.nan] * len(tests)
    lengths = np.maximum(np.diff(starts), 1)
    stopped = pd.to_numeric(sweep.stopped_epoch).astype("float64")
    return Trainings(
        last=_last(sweep, "seconds"),
        head_seconds=sweep.seconds.tolist(),
        epochs=np.where(stopped > 0, stopped, lengths).tolist(),
        starts=starts,
        validation=validations,
        test=tests,
    )


def _flat(lists: pd.Series) -> tuple[list[float], list[int]]:
    """Return all items of a column of lists, and where each list begins."""
    table = pa.Table.from_pandas(lists.to_frame("items"), preserve_index=False)
    column = table["items"].combine_chunks()
    items = column.flatten().to_numpy(zero_copy_only=False)
    lengths = column.value_lengths().fill_null(0).to_numpy()
    return items.tolist(), [0, *np.cumsum(lengths).tolist()]


class Grid:
    """Rows found by task and hyperparameters."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """Index rows of `task_id` and hyperparameters; of several seeds all are kept."""
        names = [name for name in defaults() if name in rows]
        values = {name: rows[name].tolist() for name in names}
        self.values = {name: set(found) for name, found in values.items()}
        self.effectless = _put_out_of_use(values, self.values)
        varying = [name for name, found in values.items() if len(set(found)) > 1]
        self.varies = set(varying)
        # What has one value in all rows need not be said, though beside some it means nothing.
        self.defaults = [
            (name, min(self.values[name]) if len(self.values[name]) == 1 else defaults()[name])
            for name in varying
        ]
        places = {name: place for place, name in enumerate(varying)}
        self.conditions = [
            (places[name], places[beside], allowed)
            for name, beside, allowed in _conditions(self.values)
            if name in places and beside in places
        ]
        self.tasks = dict.fromkeys(rows.task_id.tolist())
        seeds = rows["seed"].tolist()
        keys = zip(rows.task_id.tolist(), *(values[name] for name in varying), strict=True)
        self.rows: dict[Key, int] = {}
        self.others: dict[Key, list[int]] = {}
        self._index(list(keys), seeds)

    def _index(self, keys: Sequence[Key], seeds: Sequence[int]) -> None:
        """The first row of each key; and where there are several seeds, the first row of each."""
        self.rows = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
        if len(set(seeds)) > 1:
            for row, pair in enumerate(zip(keys, seeds, strict=True)):
                self.others.setdefault((*pair[0], "seed", pair[1]), [row])
            firsts = sorted((key, row) for key, (row,) in self.others.items())
            self.others = {}
            for key, row in firsts:
                self.others.setdefault(key[:-2], []).append(row)

    def find(self, task: str, wanted: Mapping[str, Any]) -> Sequence[int]:
        """Return the rows of a task and of hyperparameters, one per seed.

        What is absent or None has its default; what means nothing beside the others does not matter.

        Raises:
            UserError: there are none.
        """
        get = wanted.get
        values = [get(name, default) for name, default in self.defaults]
        if None in values:
            values = [
                d if v is None else v for v, (_, d) in zip(values, self.defaults, strict=True)
            ]
        for place, beside, allowed in self.conditions:
            if values[beside] not in allowed:
                values[place] = INACTIVE
        key = (task, *values)
        row = self.rows.get(key)
        if row is None or not self._constants_agree(wanted):
            raise self._complaint(task, wanted)
        return self.others.get(key) or (row,)

    def _constants_agree(self, wanted: Mapping[str, Any]) -> bool:
        for name in wanted.keys() - self.varies - self.effectless:
            value = wanted[name]
            if value is not None and value not in self.values.get(name, [defaults().get(name)]):
                return False
        return True

    def _complaint(self, task: str, wanted: Mapping[str, Any]) -> UserError:
        if task not in self.tasks:
            return unknown("task", task, self.tasks)
        for name, value in wanted.items():
            if name not in defaults():
                return unknown("hyperparameter", name, defaults())
            there = sorted(self.values.get(name, [defaults()[name]]))
            if value is not None and value not in there:
                more = ", …" if len(there) > SHOWN else ""
                some = ", ".join(map(str, there[:SHOWN])) + more
                return UserError(f"{name}: {value} is not in these results; there are {some}")
        return UserError(
            f"no training of {task} has all of {dict(wanted)}: see .configurations or .sweep"
        )


def _conditions(values: Mapping[str, Collection[Any]]) -> list[tuple[str, str, frozenset[Any]]]:
    """Return name, name of another, and the values of that beside which the first means something, where
    that is not all; what depends on others after these, as nothing means something beside what does not.
    """
    allowed = {
        (name, beside): frozenset(v for v in found if means_something(name, beside, v))
        for name in values
        for beside, found in values.items()
    }
    some = {pair: own for pair, own in allowed.items() if len(own) < len(values[pair[1]])}

    def depth(name: str) -> int:
        return max((1 + depth(beside) for one, beside in some if one == name), default=0)

    return [(*pair, some[pair]) for pair in sorted(some, key=lambda pair: depth(pair[0]))]


def _put_out_of_use(values: dict[str, list[Any]], kinds: Mapping[str, Collection[Any]]) -> set[str]:
    """Put INACTIVE where a hyperparameter means nothing, as it trains the same head; return the names of
    those that mean something in no row.

    Args:
        values: hyperparameter -> its value in each row; changed.
        kinds: hyperparameter -> the values there are.
    """
    for name, beside, allowed in _conditions(kinds):
        pairs = zip(values[name], values[beside], strict=True)
        values[name] = [value if other in allowed else INACTIVE for value, other in pairs]
    return {name for name, found in values.items() if set(found) == {INACTIVE}}


def mean(answers: Sequence[Answer]) -> Answer:
    """Return the mean over seeds."""
    return Answer._make(sum(values) / len(answers) for values in zip(*answers, strict=True))


def unknown(kind: str, name: object, known: Mapping[str, Any]) -> UserError:
    """Return the error for a name that is not there, with those that look like it."""
    near = get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"there are {', '.join(list(known)[:SHOWN])}"
    )
    return UserError(f"{name} is no {kind} of these results: {hint}")
