"""Results that were made under other settings than the run's, told by what the files say of themselves.

Snakemake compares the settings of a job with its record of earlier jobs in `.snakemake`. A results
folder that was copied has no such record; but each file in it names the settings and the files that
it was made from. What disagrees is made again; what agrees is not.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from metaprobe.config import layout
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_facts, read_json
from metaprobe.operations.workflow import Workflow

Content = Mapping[str, Any]
Key = tuple[str, ...]  # kind of file, data set, and architecture or configuration
PATTERNS = {
    "subset": layout.SUBSET,
    "pictures": layout.PICTURES,
    "features": layout.FEATURES,
    "head": layout.HEAD,
    "fragment": layout.FRAGMENT,
    "description": layout.DESCRIPTION,
    "resamples": layout.RESAMPLES,
}
SHOWN = 3


@dataclass(frozen=True)
class Expected:
    """What the files of a run say if they were made under its settings.

    Attributes:
        results: the folder of the run's results.
        sizes: images asked for, `train` and `test`.
        subsets: data set → `seed`, `sampling`.
        features: data set → architecture → `weights` (their id), `engine`, `precision`.
        heads: data set → configuration → hyperparameters, `replicates` (their number), `family`.
        resamples: rows of a bootstrapped description.
    """

    results: Path
    sizes: Mapping[str, int]
    subsets: Mapping[str, Content]
    features: Mapping[str, Mapping[str, Content]]
    heads: Mapping[str, Mapping[str, Content]]
    resamples: int


def expected_of(flow: Workflow) -> Expected:
    """Return what the files of a run say if they were made under its settings."""
    settings, run = flow.run.settings, flow.run
    weights = flow.weights_ids
    subsets = {
        task_id: {"seed": settings.seed, "sampling": flow.sampling_of(task_id)}
        for task_id in flow.entries
    }
    extracted = {
        name: {key: getattr(settings, key) for key in ("engine", "precision")}
        | {"weights": weights[name]}
        for name in flow.architectures
    }
    of_run = {"replicates": settings.replicates}
    return Expected(
        results=flow.results,
        sizes=flow.sizes,
        subsets=subsets,
        features=dict.fromkeys(flow.entries, extracted),
        heads={
            task_id: {
                name: {**one.parameters(), **of_run, "family": run.datasets[task_id].family}
                for name, one in run.configurations.items()
            }
            for task_id in run.datasets
        },
        resamples=settings.bootstrap_resamples,
    )


@dataclass(frozen=True)
class Outdated:
    """A file that must be made again, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Comparison:
    """What one file must say.

    Attributes:
        key: the file.
        after: files that it was made from; if one of them is made again, so is this.
        says: name → value.
        digests: name → the file, and the name there, whose value it must be.
    """

    key: Key
    after: Sequence[Key]
    says: Content
    digests: Mapping[str, tuple[Key, str]]


class Reader:
    """Reads what the files of a run say of themselves, each once."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.contents: dict[Key, Content | None] = {}

    def path(self, key: Key) -> Path:
        """Return the file of a key."""
        kind, task_id, *second = key
        names = dict.fromkeys(("architecture", "configuration"), "".join(second))
        pattern = PATTERNS[kind].replace("<results>", str(self.results))
        return Path(pattern.format(dataset=task_id, **names))

    def __call__(self, key: Key) -> Content | None:
        """Return the content of a JSON file, or the metadata of another; None if it has none."""
        if key not in self.contents:
            path = self.path(key)
            read = read_json if path.suffix == ".json" else read_facts
            try:
                content = read(path) if path.is_file() else None
            except UserError:
                content = None
            self.contents[key] = content if isinstance(content, dict) else None
        return self.contents[key]


def find_outdated(expected: Expected) -> list[Outdated]:
    """Return the files that disagree with the run, or with the files they were made from.

    What is made from such a file is not listed: Snakemake makes it again by itself. A file that is
    missing or cannot be read is left to the job that makes or reads it.
    """
    read = Reader(expected.results)
    found: list[Outdated] = []
    again: set[Key] = set()
    for one in comparisons(expected):
        if not again.isdisjoint(one.after):
            again.add(one.key)
        elif (content := read(one.key)) and (
            reason := next(_differences(one, content, read, expected.sizes), None)
        ):
            again.add(one.key)
            found.append(Outdated(read.path(one.key), reason))
    if not any(key[0] == "fragment" for key in again):
        found += _other_experiments(expected, read)
    return found


def comparisons(expected: Expected) -> Iterator[Comparison]:
    """Yield what each file of a run must say, files after those that they are made from."""
    for task_id, says in expected.subsets.items():
        subset, pictures = ("subset", task_id), ("pictures", task_id)
        features = {name: ("features", task_id, name) for name in expected.features[task_id]}
        digests = {"subset_sha256": (subset, "sha256")}
        yield Comparison(subset, [], says, {})
        yield Comparison(pictures, [subset], {}, digests)
        for name, extracted in expected.features[task_id].items():
            yield Comparison(features[name], [subset], extracted, digests)
        for name, trained in expected.heads.get(task_id, {}).items():
            head, architecture = ("head", task_id, name), trained["architecture"]
            made_from = {"features_sha256": (features[architecture], "features_sha256")}
            says_head = {**trained, "seed": says["seed"]}
            yield Comparison(head, [features[architecture]], says_head, made_from)
            measured = {**says, **expected.features[task_id][architecture], **trained}
            after = [subset, features[architecture], head]
            yield Comparison(("fragment", task_id, name), after, measured, digests)
        weights = {name: one["weights"] for name, one in expected.features[task_id].items()}
        described, after = {**says, "weights": weights}, [subset, pictures, *features.values()]
        yield Comparison(("description", task_id), after, described, digests)
        rows = {"rows": expected.resamples}
        yield Comparison(("resamples", task_id), after, {**described, **rows}, digests)


def _differences(
    one: Comparison, content: Content, read: Reader, sizes: Mapping[str, int]
) -> Iterator[str]:
    said = _said(content)
    for name, value in one.says.items():
        if name in said and said[name] != value:
            yield f"its {name} is {said[name]}, not {value}"
    for name, (other, there) in one.digests.items():
        origin = read(other)
        if origin is not None and said.get(name) != origin.get(there):
            yield f"it was made from another file than {read.path(other)}"
    if one.key[0] == "subset":
        yield from _wrong_sizes(content, sizes)


def _said(content: Content) -> dict[str, Any]:
    """Return what a file says, each thing as the settings of a run name it."""
    said = {**content, **content.get("hyperparameters", {})}
    weights = said.get("weights", {})
    said["weights"] = weights["id"] if "id" in weights else {n: w["id"] for n, w in weights.items()}
    said["engine"] = said.get("engine", {}).get("name")
    return said | {name: len(said[name]) for name in ("replicates", "rows") if name in said}


def _wrong_sizes(subset: Content, sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield what shows that a subset was drawn in another size; one that took all images does not.

    How many images of a divided pool there are for a split is known to a few only, as each class is
    divided by itself: what may be all is taken for all.
    """
    share, uncertain = {"train": 1.0, "test": 1.0}, 0.0
    if "pool" in subset["pools"]:
        test = subset["split"]["test_fraction"]
        share, uncertain = {"train": 1 - test, "test": test}, 1.5 * subset["class_count"]
    for split, size in sizes.items():
        images, pool = subset[split]["images"], subset["pools"][subset[split]["pool"]]["images"]
        if images > size or images < min(size, share[split] * pool - uncertain):
            yield f"its {split} images number {images}, not {size}"


def _other_experiments(expected: Expected, read: Reader) -> Iterator[Outdated]:
    """Yield the tables if their rows are not those of the run's fragments, in this order."""
    declared = [(task_id, name) for task_id, names in expected.heads.items() for name in names]
    fragments = [read(("fragment", *experiment)) for experiment in declared]
    table = expected.results / "experiments.csv"
    if None in fragments or not table.is_file():
        return
    wanted = [
        (*one, fragment["sha256"])
        for one, fragment in zip(declared, fragments, strict=True)
        if fragment
    ]
    with open(table, encoding="utf-8", newline="") as file:
        rows = [
            tuple(row.get(key) for key in ("task_id", "configuration", "sha256"))
            for row in csv.DictReader(file)
        ]
    if rows != wanted:
        reason = "its rows are not those of the run's experiments"
        yield Outdated(table, reason)
        yield Outdated(expected.results / "predictions.parquet", reason)
    basic = expected.results / "basic_representations.csv"
    if basic.is_file():
        with open(basic, encoding="utf-8", newline="") as file:
            tasks = [row.get("task_id") for row in csv.DictReader(file)]
        if tasks != list(expected.heads):
            yield Outdated(basic, "its rows are not those of the run's data sets")


def in_words(outdated: Sequence[Outdated]) -> str:
    """Return a line per reason, with the first files that it is about."""
    lines = []
    for reason, group in groupby(
        sorted(outdated, key=lambda one: one.reason), lambda one: one.reason
    ):
        paths = [str(one.path) for one in group]
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        lines.append(f"made again, as {reason}: {', '.join(paths[:SHOWN])}{more}")
    return "\n".join(lines)
