"""Results that were made under other settings than the run's, told by what the files say of themselves.

Snakemake compares the settings of a job with its record of earlier jobs in `.snakemake`. A results
folder that was copied has no such record; but each file in it names the settings and the files that
it was made from. What disagrees is made again; what agrees is not.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from metaprobe.config import layout
from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.config.datasets import Derived, Entry
from metaprobe.config.parts import VALIDATION
from metaprobe.core.arrays import read_facts
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_json
from metaprobe.operations.flow.expected import expected_of_fragment, weights_ids
from metaprobe.operations.flow.workflow import Workflow

Content = Mapping[str, Any]
Key = tuple[str, ...]  # kind of file, data set, and architecture or configuration
PATTERNS = {
    "subset": layout.SUBSET,
    "pictures": layout.PICTURES,
    "features": layout.FEATURES,
    "validation": layout.VALIDATION,
    "part": layout.PART,
    "head": layout.HEAD,
    "fragment": layout.FRAGMENT,
    "description": layout.DESCRIPTION,
    "resamples": layout.RESAMPLES,
}
# What an index file of a derived data set says of the parent's file that it has rows of: the name there.
FROM_PARENT = {
    "subset": "sha256",
    "validation": "sha256",
    "features": "features_sha256",
    "part": "features_sha256",
    "pictures": "",
}
SHOWN = 3


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

    def __init__(self, flow: Workflow) -> None:
        self.flow = flow
        self.contents: dict[Key, Content | None] = {}

    def path(self, key: Key) -> Path:
        """Return the file of a key."""
        return self.filled(PATTERNS[key[0]], key)

    def filled(self, pattern: str, key: Key) -> Path:
        """Return the file of a pattern with the names of a key."""
        _, task_id, *second = key
        names = dict.fromkeys(("architecture", "configuration"), "".join(second[:1]))
        names |= {"part": "".join(second[1:]), "images": "".join(second[:1])}
        return self.flow.path(pattern.format(dataset=task_id, **names))

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


def find_outdated(flow: Workflow, *, tables: bool = True) -> dict[Path, str]:
    """Return why the files that disagree with the run, or with what they were made from, do so.

    What is made from such a file is not listed: Snakemake makes it again by itself. A file that is
    missing or cannot be read is left to the job that makes or reads it.

    Args:
        tables: look at the tables, too.
    """
    read = Reader(flow)
    found: dict[Path, str] = {}
    again: set[Key] = set()
    for one in comparisons(flow):
        if not again.isdisjoint(one.after):
            again.add(one.key)
        elif reason := next(_differences(one, read), None):
            again.add(one.key)
            found[read.path(one.key)] = reason
    if tables and not any(key[0] == "fragment" for key in again):
        found |= _other_experiments(flow, read)
    return found


def comparisons(flow: Workflow) -> Iterator[Comparison]:
    """Yield what each file of a run must say, files after those that they are made from."""
    for task_id, entry in flow.entries.items():
        of_task = _comparisons_of(flow, task_id, entry)
        if isinstance(entry, Derived):
            yield from map(partial(_with_parent, entry), of_task)
        else:
            yield from of_task


def _with_parent(entry: Derived, one: Comparison) -> Comparison:
    """Return what a file of a derived data set must say: also what its parent's file of this kind is."""
    kind, _, *others = one.key
    if kind not in FROM_PARENT:
        return one
    parent = (kind, entry.of, *others)
    origin = {"parent_sha256": (parent, FROM_PARENT[kind])} if FROM_PARENT[kind] else {}
    says = {**one.says, "derivation": entry.derivation} if kind == "subset" else one.says
    return Comparison(one.key, [*one.after, parent], says, {**one.digests, **origin})


def _comparisons_of(flow: Workflow, task_id: str, entry: Entry) -> Iterator[Comparison]:
    settings, weights = flow.run.settings, weights_ids(flow)
    says = {"seed": settings.seed, "sampling": flow.sampling_of(task_id)}
    subset, pictures = ("subset", task_id), ("pictures", task_id)
    features = {name: ("features", task_id, name) for name in flow.extracted}
    digests = {"subset_sha256": (subset, "sha256")}
    yield Comparison(subset, [], {**says, "derivation": None}, {})
    yield Comparison(pictures, [subset], {}, digests)
    extracted = {"engine": settings.engine, "precision": settings.precision}
    for name, key in features.items():
        yield Comparison(key, [subset], {**extracted, "weights": weights[name]}, digests)
    for name, part in flow.parts if task_id in flow.used else ():
        kind, _, images = part.rpartition("-")
        drawn = [("validation", task_id, images)] if kind == VALIDATION else []
        for key in drawn:
            yield Comparison(key, [subset], {}, digests)
        of_part = {**extracted, "weights": weights[name]}
        yield Comparison(("part", task_id, name, part), [subset, *drawn], of_part, digests)
    for name, one in flow.run.configurations.items() if task_id in flow.run.datasets else ():
        head, origin = ("head", task_id, name), features[one.architecture]
        trained = {"seed": settings.seed, "replicates": settings.replicates}
        made_from = {"features_sha256": (origin, "features_sha256")}
        parts: list[Key] = [("part", task_id, *part) for part in flow.parts_named(name)]
        told = RECIPE_DEFAULTS | flow.hyperparameters[name] | trained
        yield Comparison(head, [origin, *parts], told, made_from)
        measured = {**expected_of_fragment(flow, task_id, name), "family": entry.family}
        after = [subset, origin, *parts, head]
        yield Comparison(("fragment", task_id, name), after, measured, digests)
    named = {name: weights[name] for name in flow.described_by}
    described = {**says, "weights": named}
    after = [subset, pictures, *(features[name] for name in flow.described_by)]
    yield Comparison(("description", task_id), after, described, digests)
    resampled = {**described, "rows": settings.bootstrap_resamples}
    yield Comparison(("resamples", task_id), after, resampled, digests)


def _differences(one: Comparison, read: Reader) -> Iterator[str]:
    if not (content := read(one.key)):
        return
    said = _said(content)
    if one.key[0] in ("head", "fragment"):
        said = RECIPE_DEFAULTS | said  # they hold only those that are in use
    for name, value in one.says.items():
        if name in said and said[name] != value:
            yield f"its {name} is {said[name]}, not {value}"
    for name, (other, there) in one.digests.items():
        origin = read(other)
        if origin is not None and said.get(name) != origin.get(there):
            yield f"it was made from another file than {read.path(other)}"
    if one.key[0] == "subset" and "derivation" not in content:
        yield from wrong_sizes(content, read.flow.sizes)


def _said(content: Content) -> dict[str, Any]:
    """Return what a file says, each thing as the settings of a run name it."""
    said = {**content, **content.get("hyperparameters", {})}
    weights = said.get("weights", {})
    said["weights"] = weights["id"] if "id" in weights else {n: w["id"] for n, w in weights.items()}
    said["engine"] = said.get("engine", {}).get("name")
    return said | {name: len(said[name]) for name in ("replicates", "rows") if name in said}


def wrong_sizes(subset: Content, sizes: Mapping[str, int]) -> Iterator[str]:
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


def _other_experiments(flow: Workflow, read: Reader) -> dict[Path, str]:
    """Return the tables whose rows are not those of the run's experiments, in this order."""
    found = {}
    fragments = [read(("fragment", *experiment)) for experiment in flow.experiments]
    wanted = [
        (*one, fragment["sha256"])
        for one, fragment in zip(flow.experiments, fragments, strict=True)
        if fragment
    ]
    table = flow.results / "experiments.csv"
    rows = _columns(table, "task_id", "configuration", "sha256")
    if None not in fragments and rows is not None:
        if rows != wanted:
            reason = "its rows are not those of the run's experiments"
            found = {table: reason, flow.results / "predictions.parquet": reason}
        basic = flow.results / "basic_representations.csv"
        if _columns(basic, "task_id") not in (None, [(task_id,) for task_id in flow.run.datasets]):
            found[basic] = "its rows are not those of the run's data sets"
    return found


def _columns(table: Path, *names: str) -> list[tuple[str | None, ...]] | None:
    """Return these columns of a CSV table, row by row; None if there is no such file."""
    if not table.is_file():
        return None
    with open(table, encoding="utf-8", newline="") as file:
        return [tuple(row.get(name) for name in names) for row in csv.DictReader(file)]


def in_words(outdated: Mapping[Path, str]) -> str:
    """Return a line per reason, with the first files that it is about."""
    lines = []
    for reason in sorted(set(outdated.values())):
        paths = [str(path) for path, why in outdated.items() if why == reason]
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        lines.append(f"made again, as {reason}: {', '.join(paths[:SHOWN])}{more}")
    return "\n".join(lines)
