"""HPO-B: search space -> data set -> X and y, as `hpob_handler.py` of its repository reads them.

Pineda Arango, Jomaa, Wistuba and Grabocka, HPO-B: A Large-Scale Reproducible Benchmark for Black-Box HPO based
on OpenML, NeurIPS Datasets and Benchmarks 2021.
"""

from pathlib import Path
from typing import Any

from metaprobe.core.files import write_json, write_text
from metaprobe.core.randomness import generator
from metaprobe.publish.about import About
from metaprobe.publish.card import card
from metaprobe.publish.exports.encoding import Axis, axes_of, encode
from metaprobe.publish.exports.parts import parts
from metaprobe.publish.exports.spaces import Space, spaces
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import Results

SEEDS = ("test0", "test1", "test2", "test3", "test4")
INITIAL = 5  # trainings that a search begins with, as HPO-B has them
FILES = {
    "meta-train-dataset.json": "train",
    "meta-train-dataset-augmented.json": "train",  # there are no less frequent spaces to add
    "meta-validation-dataset.json": "validation",
    "meta-test-dataset.json": "test",
}
FORM = """\
In the form of HPO-B: `HPOBHandler(root_dir="<this folder>/", mode="v3")`. Search spaces are `configurations`, \
and `sweep` if there is one; `meta-dataset-descriptors.json` names the coordinates of X and what y is. \
Whole families of data sets are in one of the three parts."""
Tasks = dict[str, dict[str, Any]]


def write(results: Results, licences: Licences, about: About, folder: Path) -> None:
    """Write the files of the benchmark into a folder."""
    found = list(spaces(results))
    axes = {space.name: axes_of(space.rows) for space in found}
    tasks = {space.name: evaluations(space, axes[space.name]) for space in found}
    divided = {name: parts(results, list(own)) for name, own in tasks.items()}
    for file, part in FILES.items():
        of_part = {name: _only(own, divided[name][part]) for name, own in tasks.items()}
        write_json(folder / file, of_part)
    starts = {name: {task: initial(task, own[task]) for task in own} for name, own in tasks.items()}
    write_json(folder / "bo-initializations.json", starts)
    told = {space.name: descriptor(space, axes[space.name]) for space in found}
    write_json(folder / "meta-dataset-descriptors.json", told)
    write_text(folder / "README.md", card(results, licences, about, folder, FORM))


def evaluations(space: Space, axes: list[Axis]) -> Tasks:
    """Return of each data set X, (N, D) in [0, 1], and y, (N, 1)."""
    return {
        str(task): {
            "X": encode(rows, axes).tolist(),
            "y": [[value] for value in rows[space.score].tolist()],
        }
        for task, rows in space.rows.groupby("task_id", sort=False)
    }


def initial(task: str, evaluated: dict[str, Any]) -> dict[str, list[int]]:
    """Return of each seed the rows that a search begins with, at most half of them."""
    count = len(evaluated["y"])
    chosen = max(1, min(INITIAL, count // 2))
    return {
        name: sorted(generator(seed, task, "HPO-B start").permutation(count)[:chosen].tolist())
        for seed, name in enumerate(SEEDS)
    }


def descriptor(space: Space, axes: list[Axis]) -> dict[str, Any]:
    """Return what the coordinates of a search space are."""
    return {
        "variables": {axis.name: _variable(axis) for axis in axes},
        "variables_to_apply_log": [axis.name for axis in axes if axis.log],
        "variables_order": [name for axis in axes for name in axis.coordinates],
        "y": space.score,
    }


def _variable(axis: Axis) -> dict[str, Any]:
    if axis.categorical:
        return {"categories": list(axis.values)}
    return {"min_before_tf": axis.values[0], "max_before_tf": axis.values[-1]}


def _only(tasks: Tasks, names: list[str]) -> Tasks:
    return {name: one for name, one in tasks.items() if name in names}
