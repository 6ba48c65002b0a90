"""A finished run as the arena and the advice see it: read from its tables and its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaprobe.core.files import read_checked_json
from metaprobe.core.parquet import read_parquet
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.prices import Prices
from metaprobe.recommend.advice.table import (
    as_matrix,
    families_of,
    hyperparameters_of,
    rungs_on,
)
from metaprobe.recommend.arena.judgement import LISTS, Entrants, combined
from metaprobe.recommend.arena.replay import Known
from metaprobe.recommend.arena.targets import Target, targets_of
from metaprobe.recommend.transferability import COMBINED, METRICS
from metaprobe.tables.predictions import right_by_task

Floats = NDArray[np.float64]

# Ranker -> the metrics that it is computed from.
PARTS = {name: (name,) for name in METRICS} | {name: parts for name, (parts, _) in COMBINED.items()}


@dataclass(frozen=True)
class Finished:
    """A run all of whose experiments are done.

    Attributes:
        experiments: `experiments.parquet`.
        scores: (task, backbone) -> what `scores.score` returned.
        facts: backbone -> what `source_classifier` told of its network.
        right: of each task (C, N): the share of replicates that classify a test image correctly.
    """

    experiments: pd.DataFrame
    scores: Mapping[tuple[str, str], Mapping[str, Any]]
    facts: Mapping[str, Mapping[str, Any]]
    right: list[Floats]

    @cached_property
    def tasks(self) -> list[str]:
        """In the order of the table."""
        return list(dict.fromkeys(self.experiments.task_id))

    @cached_property
    def families(self) -> list[str]:
        """Of each task; a task without one is its own."""
        return families_of(self.experiments)

    @cached_property
    def candidates(self) -> Candidates:
        """The configurations and the sizes of their networks."""
        sizes = {name: float(one["parameters"]) for name, one in self.facts.items()}
        return Candidates(hyperparameters_of(self.experiments), sizes)

    def column(self, name: str) -> Floats:
        """Return a column of the experiments as (T, C)."""
        return as_matrix(self.experiments, name)

    @property
    def chosen_by(self) -> Floats | None:
        """Accuracies on validation images (T, C); None if not all configurations have any."""
        found = self.column("validation_accuracy")
        return found if np.isfinite(found).all() else None

    def targets(self) -> list[Target]:
        """Return what metrics are judged by."""
        accuracy = self.column("test_accuracy")
        return targets_of(self.candidates, accuracy, self.chosen_by, self.right)

    def entrants(self) -> Entrants:
        """Return what ranks the backbones."""
        backbones = self.candidates.backbones
        whole = {
            name: self._scores(lambda one, n=name: [one["scores"][n]])[:, 0] for name in METRICS
        }
        halves = {
            name: self._scores(lambda one, n=name: [half[n] for half in one["halves"]])
            for name in METRICS
        }
        seconds = {
            name: [
                sum(one["cpu_seconds"][part] for part in parts)
                for one in self.scores.values()
                if one["cpu_seconds"].keys() >= {*parts}
            ]
            for name, parts in PARTS.items()
        }
        return Entrants(
            self.tasks,
            self.families,
            backbones,
            combined(whole),
            combined(halves),
            {
                name: np.array([self.facts[one][name] for one in backbones], dtype=np.float64)
                for name in LISTS
            },
            {name: float(np.mean(values)) for name, values in seconds.items() if values},
        )

    def _scores(self, of: Any) -> Floats:
        """Return numbers (T, V, B) that `of` takes out of each score; None and what is lacking is NaN."""
        found = [
            [list(of(self.scores[task, name])) for name in self.candidates.backbones]
            for task in self.tasks
        ]
        most = max(len(values) for row in found for values in row)
        padded = [[values + [None] * (most - len(values)) for values in row] for row in found]
        return np.array(padded, dtype=np.float64).transpose(0, 2, 1)

    def known(self) -> list[Known]:
        """Return each task as an advice is replayed on it."""
        chosen_by = self.chosen_by
        accuracy = self.column("test_accuracy")
        test = self.column("test_images")[:, 0]
        prices = self._prices()
        found = []
        for number, task_id in enumerate(self.tasks):
            found.append(
                Known(
                    task_id=task_id,
                    family=self.families[number],
                    chosen_by=accuracy[number] if chosen_by is None else chosen_by[number],
                    accuracy=accuracy[number],
                    probes=self._by_rung("probes", task_id),
                    prices=prices[number],
                    train_images=self._probed(task_id),
                    validation_images=self._validation_images(number, int(test[number])),
                )
            )
        return found

    def _probed(self, task_id: str) -> int:
        """Return of how many images the largest probe of a task is.

        More than its heads are trained on where a small pool had to give its validation images, too.
        """
        first = self.scores[task_id, self.candidates.backbones[0]]["probes"]
        return max(map(int, first))

    def _by_rung(self, name: str, task_id: str) -> Floats:
        """Return what is known of each probe of a task: (B, K)."""
        found = [
            {int(images): value for images, value in self.scores[task_id, one][name].items()}
            for one in self.candidates.backbones
        ]
        return np.stack([rungs_on(one, self._probed(task_id)) for one in found])

    def _validation_images(self, task: int, test_images: int) -> int:
        if self.chosen_by is None:
            return test_images
        return int(self.column("validation_images")[task].min())

    def _prices(self) -> list[Prices]:
        """Return what each task cost, in CPU seconds as its fragments and scores tell them.

        The features of a backbone are those of its configurations that train only a head; where it
        has none, nothing is known of them and the cheapest that is known stands for it.
        """
        candidates = self.candidates
        passes = _or(self.column("seconds_features_cpu"), self.column("seconds_train_features"))
        heads = _or(self.column("seconds_head_cpu"), self.column("seconds_head"))
        views = self.column("seconds_train_features")
        images = self.column("train_images") + self.column("test_images")
        tuned = np.array(
            [
                (one.get("trainable") or "head") != "head"
                for one in candidates.hyperparameters.values()
            ]
        )
        own = heads + np.where(tuned, passes, np.where(candidates.only_head, 0.0, views))
        found = []
        load = np.array([self.facts[one]["load_cpu_seconds"] for one in candidates.backbones])
        for task, task_id in enumerate(self.tasks):
            rate = np.full(len(candidates.backbones), np.nan)
            for backbone in range(len(rate)):
                plain = (candidates.backbone_of == backbone) & candidates.only_head
                if plain.any():
                    rate[backbone] = (passes[task] / images[task])[plain].min()
            rate = np.where(
                np.isnan(rate), np.nanmin(rate) if np.isfinite(rate).any() else 0.0, rate
            )
            probe = self._by_rung("probe_cpu_seconds", task_id)
            found.append(Prices(load, rate, own[task], int(images[task].max()), probe))
        return found


def _or(first: Floats, second: Floats) -> Floats:
    """Return the first where it is known, else the second."""
    found: Floats = np.where(np.isfinite(first), first, second)
    return found


def read_finished(
    experiments: str | Path, predictions: str | Path, scores: Sequence[str | Path]
) -> Finished:
    """Read a run.

    Raises:
        UserError: a file is missing or damaged.
    """
    read = [read_checked_json(path) for path in scores]
    frame = read_parquet(experiments)
    names = list(dict.fromkeys(frame.configuration))
    right = {
        task_id: np.array([own[name] for name in names]) / replicates
        for task_id, own, replicates in right_by_task(predictions)
    }
    return Finished(
        frame,
        {(one["task_id"], one["architecture"]): one for one in read},
        {one["architecture"]: one["classifier"] for one in read},
        [right[task_id] for task_id in dict.fromkeys(frame.task_id)],
    )


def probes_table(finished: Finished) -> pd.DataFrame:
    """Return `probes.parquet`: what an advice learns from beside the table, a row per probe."""
    rows = [
        {
            "task_id": task_id,
            "architecture": name,
            "weights_id": one["weights_id"],
            "subset_sha256": one["subset_sha256"],
            "images": int(images),
            "leave_one_out_accuracy": accuracy,
        }
        for (task_id, name), one in finished.scores.items()
        for images, accuracy in one["probes"].items()
    ]
    return pd.DataFrame(rows)
