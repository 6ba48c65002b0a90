"""What the report tells, read from the files of a run: numbers and sentences, no picture and no page."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaprobe.core.files import read_checked_json
from metaprobe.operations.status import State
from metaprobe.tables.collect import Tables, read_tables, tables_of
from metaprobe.tables.families import fewest_families, friedman_p, sign_flip_p, signed_ranks
from metaprobe.tables.statistics import holm
from metaprobe.training.fragment import Experiment, Fragment

CPUINFO = Path("/proc/cpuinfo")


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
    """

    states: Mapping[Experiment, State]
    tables: Tables
    licences: Mapping[str, str]
    validation: dict[str, Any] | None
    evaluation: dict[str, Any] | None
    machine: Mapping[str, str]
    portfolio: dict[str, Any] | None = None

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

    @cached_property
    def accuracy(self) -> NDArray[np.float64]:
        """Test accuracy (tasks, configurations); NaN where the experiment is not done."""
        matrix = self.experiments.pivot(
            index="task_id", columns="configuration", values="test_accuracy"
        ).reindex(index=self.tasks, columns=self.configurations)
        return matrix.to_numpy(dtype=float)

    @cached_property
    def regret(self) -> NDArray[np.float64]:
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


@dataclass(frozen=True)
class Comparison:
    """Ranks of configurations over tasks (Demšar, JMLR 7, 2006), whose relatives count together.

    Attributes:
        mean_ranks: configuration -> mean rank over the whole tasks, best first.
        friedman_p: Friedman's test that all are alike; None where it cannot be had.
        p: (configurations, configurations) in the order of `mean_ranks`, sign flips of families on
            signed ranks, with Holm's correction; None where there are too few families.
        families: of the whole tasks.
    """

    mean_ranks: dict[str, float]
    friedman_p: float | None
    p: NDArray[np.float64] | None
    tasks: int
    families: int


def compare(run: Run) -> Comparison:
    """Compare the configurations over the tasks on which all of them are done."""
    from scipy.stats import rankdata

    tasks = int(run.whole_tasks.sum())
    if not tasks:
        return Comparison({}, None, None, 0, 0)
    means = rankdata(-run.accuracy[run.whole_tasks], axis=1).mean(axis=0)
    order = np.argsort(means, kind="stable")
    mean_ranks = {run.configurations[i]: float(means[i]) for i in order}
    accuracy = run.accuracy[run.whole_tasks][:, order]
    families = list(compress(run.families, run.whole_tasks))
    count, pairs = len(set(families)), len(order) * (len(order) - 1) // 2
    overall = p = None
    if len(order) > 2 and count > 1 and np.ptp(accuracy, axis=1).any():
        overall = friedman_p(accuracy, families)
    if pairs and count >= fewest_families(pairs):
        p = pairwise_p(accuracy, families)
    return Comparison(mean_ranks, overall, p, tasks, count)


def pairwise_p(accuracy: NDArray[np.float64], families: Sequence[str]) -> NDArray[np.float64]:
    """Return the adjusted p of each pair of columns of (tasks, configurations); 1 where they never differ."""
    count = accuracy.shape[1]
    pairs = [(i, j) for i in range(count) for j in range(i)]
    apart = {(i, j): signed_ranks(accuracy[:, i] - accuracy[:, j]) for i, j in pairs}
    found = holm({pair: sign_flip_p(ranks, families) for pair, ranks in apart.items()})
    p = np.ones((count, count))
    for (i, j), adjusted in found.items():
        p[i, j] = p[j, i] = adjusted
    return p


def hours(run: Run) -> dict[str, float]:
    """Return phase -> hours; the features of a data set and architecture count once, whatever the
    number of heads.
    """
    features = run.experiments.drop_duplicates(["task_id", "architecture"], keep="last")
    seconds = features.seconds_train_features + features.seconds_test_features
    by_architecture = seconds.groupby(features.architecture, sort=False).sum()
    phases = {f"features, {name}": spent for name, spent in by_architecture.items()}
    phases["heads"] = run.tables.replicates.seconds.sum()
    return {name: float(spent) / 3600 for name, spent in phases.items()}


def summary(run: Run) -> dict[str, str]:
    """Return what was run, as names and values for the head of the page."""
    experiments = run.experiments

    def values(column: str) -> str:
        found = experiments[column].astype(object).fillna("not recorded")
        return ", ".join(dict.fromkeys(map(str, found)))

    declared = f"{len(run.tasks)} data sets × {len(run.configurations)} configurations"
    rows = {"experiments": f"{run.count('done')} of {len(run.states)} done: {declared}"}
    if len(experiments):
        versions = [name for name in map(str, experiments) if name.startswith("versions_")]
        rows |= {
            "heads per experiment": values("replicates"),
            "weights": values("weights_id"),
            "seed": values("seed"),
            "backbone ran on": f"{values('device')}, {values('precision')}",
            "engine": f"{values('engine_name')} {values('engine_version')}",
            "hours recorded": f"{sum(hours(run).values()):.2f}, summed over jobs",
            "commit": values("git_commit"),
            "versions": "; ".join(
                f"{name.removeprefix('versions_')} {values(name)}" for name in versions
            ),
        }
    return rows | dict(run.machine)


def judged_by(run: Run) -> str:
    """Return the column that a best configuration is chosen by: of validation images, where all have them."""
    column = "validation_accuracy"
    chosen = column in run.experiments and run.experiments[column].notna().all()
    return column if chosen else "test_accuracy"


def cards(run: Run) -> list[dict[str, Any]]:
    """Return one per task: what it is, and its best and worst configuration, as `judged_by` says."""
    found = []
    done = dict(list(run.experiments.groupby("task_id")))
    for task in run.tasks:
        card: dict[str, Any] = {"task": task, "licence": run.licences.get(task, "not named")}
        if task in done:
            order = np.argsort(-done[task][judged_by(run)].to_numpy(), kind="stable")
            ranked = records(done[task].iloc[order])
            card |= ranked[0] | {"best": ranked[0], "worst": ranked[-1]}
        found.append(card)
    return found


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table; what does not apply is None."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def read_run(results: Path, licences: Mapping[str, str]) -> Run:
    """Read what is known of a run whose tables are written."""
    tables = read_tables(results)
    ids = tables.experiments[["task_id", "configuration"]].itertuples(index=False, name=None)
    return Run(
        states=dict.fromkeys(ids, State("done")),
        tables=tables,
        licences=licences,
        validation=read_checked_json(results / "validation.json"),
        evaluation=read_checked_json(results / "recommendation_evaluation.json"),
        machine=machine(results, tables),
        portfolio=read_checked_json(results / "portfolio.json"),
    )


def partial_run(
    results: Path,
    states: Mapping[Experiment, State],
    fragments: Sequence[Fragment],
    licences: Mapping[str, str],
) -> Run:
    """Return what there is of a run, its tables from the sound fragments; a validation and an
    evaluation are of a whole table.
    """
    tables = tables_of(fragments)
    return Run(dict(states), tables, licences, None, None, machine(results, tables))


def machine(results: Path, tables: Tables) -> dict[str, str]:
    """Return when the fragments were written, and what the report was made on."""
    found = {}
    ids = tables.experiments[["task_id", "configuration"]].itertuples(index=False, name=None)
    files = [results / "metrics" / task_id / f"{name}.json" for task_id, name in ids]
    times = [datetime.fromtimestamp(one.stat().st_mtime, UTC) for one in files if one.is_file()]
    if times:
        first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in (min(times), max(times)))
        found["fragments written"] = f"{first} to {last} UTC"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return found | {"report made on": f"{system}, {processor()}, {cores} cores"}


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    told = CPUINFO.read_text() if CPUINFO.is_file() else ""
    found = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    return found[1] if found else platform.processor() or "unknown processor"
