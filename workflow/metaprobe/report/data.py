"""What the report tells, read from the files of a run: numbers and sentences, no picture and no page."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.files import read_json
from metaprobe.operations.status import Stage, State, read_experiments
from metaprobe.tables.rank_tests import FEWEST_TASKS, holm, wilcoxon
from metaprobe.tables.target import Expected, Experiment

CPUINFO = Path("/proc/cpuinfo")
Fragment = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """All that is known of a run.

    Attributes:
        states: of every declared experiment, in the declared order.
        fragments: of those that are done.
        licences: task id -> licence, of the data sets that name one.
        validation: validation.json; None: not there yet.
        evaluation: recommendation_evaluation.json; None: not there yet.
        machine: what the report was made on, name -> value.
    """

    states: Mapping[Experiment, State]
    fragments: Mapping[Experiment, Fragment]
    licences: Mapping[str, str]
    validation: dict[str, Any] | None
    evaluation: dict[str, Any] | None
    machine: Mapping[str, str]

    @cached_property
    def tasks(self) -> list[str]:
        """In the declared order."""
        return list(dict.fromkeys(task for task, _ in self.states))

    @cached_property
    def configurations(self) -> list[str]:
        """In the declared order."""
        return list(dict.fromkeys(name for _, name in self.states))

    @cached_property
    def accuracy(self) -> NDArray[np.float64]:
        """Test accuracy (tasks, configurations); NaN where the experiment is not done."""
        return np.array(
            [
                [
                    self.fragments.get((task, name), {}).get("test_accuracy", np.nan)
                    for name in names
                ]
                for task, names in ((task, self.configurations) for task in self.tasks)
            ],
            dtype=float,
        )

    @cached_property
    def regret(self) -> NDArray[np.float64]:
        """Accuracy of the task's best configuration less the configuration's own, as `accuracy`."""
        best = np.array([max(row[~np.isnan(row)], default=np.nan) for row in self.accuracy])
        return best[:, None] - self.accuracy

    @cached_property
    def whole_tasks(self) -> NDArray[np.bool_]:
        """The tasks all of whose configurations are done."""
        return np.array([not np.isnan(row).any() for row in self.accuracy], dtype=bool)

    @cached_property
    def ranks(self) -> NDArray[np.float64]:
        """Ranks of the configurations on each whole task, 1 the best, ties their mean."""
        from scipy.stats import rankdata

        ranks: NDArray[np.float64] = rankdata(-self.accuracy[self.whole_tasks], axis=1)
        return ranks

    def count(self, state: str) -> int:
        """Experiments in a state: `done`, `failed` or `missing`."""
        return sum(one.name == state for one in self.states.values())


@dataclass(frozen=True)
class Comparison:
    """Ranks of configurations over tasks (Demšar, JMLR 7, 2006).

    Attributes:
        mean_ranks: configuration -> mean rank over the whole tasks, best first.
        friedman_p: Friedman's test that all are alike; None where it cannot be had.
        p: (configurations, configurations) in the order of `mean_ranks`, Wilcoxon's signed-rank test
            with Holm's correction; None where there are too few tasks.
    """

    mean_ranks: dict[str, float]
    friedman_p: float | None
    p: NDArray[np.float64] | None
    tasks: int


def compare(run: Run) -> Comparison:
    """Compare the configurations over the tasks on which all of them are done."""
    from scipy.stats import friedmanchisquare

    tasks = int(run.whole_tasks.sum())
    if not tasks:
        return Comparison({}, None, None, 0)
    means = run.ranks.mean(axis=0)
    order = np.argsort(means, kind="stable")
    mean_ranks = {run.configurations[i]: float(means[i]) for i in order}
    accuracy = run.accuracy[run.whole_tasks][:, order]
    friedman_p = None
    if len(order) > 2 and tasks > 1 and np.ptp(accuracy, axis=1).any():
        friedman_p = float(friedmanchisquare(*accuracy.T).pvalue)
    p = wilcoxon_holm(accuracy) if tasks >= FEWEST_TASKS and len(order) > 1 else None
    return Comparison(mean_ranks, friedman_p, p, tasks)


def wilcoxon_holm(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p of each pair of columns of (tasks, configurations); 1 where they never differ."""
    count = accuracy.shape[1]
    pairs = [(i, j) for i in range(count) for j in range(i)]
    found = holm({(i, j): wilcoxon(accuracy[:, i], accuracy[:, j]) for i, j in pairs})
    p = np.ones((count, count))
    for (i, j), adjusted in found.items():
        p[i, j] = p[j, i] = adjusted
    return p


def hours(run: Run) -> dict[str, float]:
    """Phase -> hours; the features of a data set and architecture counted once, however many heads."""
    features: dict[tuple[str, str], dict[str, float]] = {}
    heads = 0.0
    for fragment in run.fragments.values():
        seconds = fragment["seconds"]
        features[fragment["task_id"], fragment["architecture"]] = seconds
        heads += sum(one["seconds"] for one in fragment["replicates"])
    phases = {
        f"features, {architecture}": sum(
            seconds["train_features"] + seconds["test_features"]
            for (_, name), seconds in features.items()
            if name == architecture
        )
        for architecture in dict.fromkeys(name for _, name in features)
    }
    return {name: seconds / 3600 for name, seconds in (phases | {"heads": heads}).items()}


def facts(run: Run) -> list[tuple[str, str]]:
    """What was run, as names and values for the head of the page."""
    fragments = list(run.fragments.values())

    def values(*keys: str) -> str:
        found = []
        for fragment in fragments:
            value: Any = fragment
            for key in keys:
                value = value.get(key)
            found.append("not recorded" if value is None else str(value))
        return ", ".join(dict.fromkeys(found))

    replicates = dict.fromkeys(str(len(one["replicates"])) for one in fragments)
    versions = dict.fromkeys(name for one in fragments for name in one["versions"])
    rows = [
        (
            "experiments",
            f"{run.count('done')} of {len(run.states)} done: {len(run.tasks)} data sets × "
            f"{len(run.configurations)} configurations",
        )
    ]
    if fragments:
        rows += [
            ("heads per experiment", ", ".join(replicates)),
            ("weights", values("weights", "id")),
            ("seed", values("seed")),
            ("backbone ran on", f"{values('device')}, {values('precision')}"),
            ("engine", f"{values('engine', 'name')} {values('engine', 'version')}"),
            ("hours recorded", f"{sum(hours(run).values()):.2f}, summed over jobs"),
            ("commit", values("git_commit")),
            ("versions", "; ".join(f"{name} {values('versions', name)}" for name in versions)),
        ]
    return rows + list(run.machine.items())


def cards(run: Run) -> list[dict[str, Any]]:
    """One per task: what it is, and its best and worst configuration."""
    found = []
    for task in run.tasks:
        done = [f for (own, _), f in run.fragments.items() if own == task]
        ranked = sorted(done, key=lambda fragment: -fragment["test_accuracy"])
        card: dict[str, Any] = {"task": task, "licence": run.licences.get(task, "not named")}
        if ranked:
            one = ranked[0]
            card |= {
                "classes": one["class_count"],
                "train": one["train_images"],
                "test": one["test_images"],
                "family": one["family"] or "none",
                "pretext": one["pretext"],
                "partial": one["partial"],
                "majority": one["test_majority_rate"],
                "best": ranked[0],
                "worst": ranked[-1],
            }
        found.append(card)
    return found


def read_run(
    results: Path,
    stages: Mapping[Experiment, Sequence[Stage]],
    expected: Expected,
    licences: Mapping[str, str],
) -> Run:
    """What there is of a run; `stages` and `expected` as `status.read_experiments` takes them."""
    states, fragments = read_experiments(stages, expected)
    return Run(
        states=states,
        fragments=fragments,
        licences=licences,
        validation=read_json_if_there(results / "validation.json"),
        evaluation=read_json_if_there(results / "recommendation_evaluation.json"),
        machine=machine([Path(stages[one][-1][1]) for one in fragments]),
    )


def machine(files: Sequence[Path]) -> dict[str, str]:
    """When the fragments were written, and what the report was made on."""
    found = {}
    if files:
        times = [datetime.fromtimestamp(file.stat().st_mtime, UTC) for file in files]
        first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in (min(times), max(times)))
        found["fragments written"] = f"{first} to {last} UTC"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found["report made on"] = (
        f"{platform.system()} {platform.machine()}, {processor()}, {cores} cores"
    )
    return found


def processor() -> str:
    """The processor's name, as far as the system tells."""
    if CPUINFO.is_file():
        names = re.findall(r"^model name\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE)
        if names:
            return str(names[0])
    return platform.processor() or "unknown processor"


def read_json_if_there(path: Path) -> dict[str, Any] | None:
    """The content of a JSON file, None if it is not there."""
    if not path.is_file():
        return None
    content: dict[str, Any] = read_json(path)
    return content
