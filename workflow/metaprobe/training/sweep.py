"""Every entry of a grid on one features file, in chunks that outlive an interruption."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaprobe.config.conditions import OF_SOME_OPTIMIZERS, OPTIMIZER_OPTIONS
from metaprobe.config.configurations import IN_GRID, RECIPE_DEFAULTS, Grid
from metaprobe.core.errors import UserError
from metaprobe.core.files import digest_json, read_json, write_json
from metaprobe.training import many_heads
from metaprobe.training.material import read_material
from metaprobe.training.outcomes import Configuration, Outcome, Task, replayed, train_and_measure
from metaprobe.training.stopping import Stopping

# An architecture is trained by a job of its own: its features are other inputs.
HYPERPARAMETERS = tuple(name for name in IN_GRID if name != "architecture")
STOPPING = {name: RECIPE_DEFAULTS[name] for name in ("patience", "min_delta", "monitor")}
CHUNK_BLOCKS = 4  # some seconds of training: what an interruption costs at most


def sweep(
    features_path: str | Path,
    grid: Grid,
    seed: int,
    chunk_folder: Path,
    code: Mapping[str, str],
    validation_path: str | None = None,
) -> list[dict[str, Any]]:
    """Train and measure every entry of a grid on the features of one data set and architecture.

    What coincides is trained once. Each finished chunk is a file of `chunk_folder`; a chunk that
    is there is not trained again.

    Args:
        grid: its architectures are not looked at; that of the features counts.
        seed: of the first replicate; the others have those after it.
        code: optimiser → fingerprint of the code; chunks of other code are not looked at.
        validation_path: features of validation images, if the grid has any.

    Returns:
        A row per entry and replicate, in the order of `expand`; `sweep_table.SCHEMA` says
        what is in it.

    Raises:
        UserError: the features file is missing or broken, or has fewer images than folds.
    """
    material = read_material(str(features_path), validation_path, exact=False)
    metadata, train = material.extraction, material.train
    task = Task(
        metadata["task_id"], metadata["class_count"], train, material.test, material.validation
    )
    folds = grid.validation_folds
    if len(train.labels) < folds:
        raise UserError(
            f"{task.task_id} has {len(train.labels)} training images, too few for the grid's "
            f"validation_folds: {folds}; 0 is without validation"
        )
    shared = {
        "task_id": task.task_id,
        "architecture": metadata["architecture"],
        "alpha": 1.0,
        "weights": metadata["weights"]["id"],
        "features_sha256": metadata["features_sha256"],
        "engine": many_heads.ENGINE,
    }
    entries = expand(grid)
    trainings, training_of_entry = distinct(entries)
    seeds = range(seed, seed + grid.replicates)
    chunks = list(itertools.product(seeds, chunks_of(trainings, task.class_count)))
    outcomes: dict[tuple[int, int], Outcome] = {}
    for number, (replicate, chunk) in enumerate(chunks, start=1):
        configurations = [trainings[i] for i in chunk]
        inputs = shared | {
            "class_count": task.class_count,
            "seed": replicate,
            "validation_folds": folds,
            "second_precision": grid.second_precision,
            "parts": material.parts,
            "configurations": configurations,
            "code": {one["optimizer"]: code[one["optimizer"]] for one in configurations},
        }
        path = chunk_folder / f"{digest_json(inputs)}.json"
        finished = read_chunk(path, inputs)
        print(f"chunk {number} of {len(chunks)}: {'to do' if finished is None else 'is there'}")
        if finished is None:
            finished = train_and_measure(
                task, configurations, replicate, folds, grid.second_precision
            )
            write_chunk(path, inputs, finished)
        outcomes |= {(i, replicate): outcome for i, outcome in zip(chunk, finished, strict=True)}
    return [
        shared
        | entry
        | {"seed": replicate, "validation_images": grid.validation_images}
        | replayed(outcomes[training, replicate], Stopping.of(entry), entry["epochs"])
        for entry, training in zip(entries, training_of_entry, strict=True)
        for replicate in seeds
    ]


def chunks_of(configurations: Sequence[Configuration], class_count: int) -> list[list[int]]:
    """Return indices of configurations that are trained before the next file is written: whole blocks."""
    blocks = list(many_heads.blocks(configurations, class_count))
    return [
        list(itertools.chain(*blocks[start : start + CHUNK_BLOCKS]))
        for start in range(0, len(blocks), CHUNK_BLOCKS)
    ]


def write_chunk(path: Path, inputs: dict[str, Any], outcomes: list[Outcome]) -> None:
    """Write the outcomes of a chunk, with what they depend on and a digest of both."""
    sha256 = digest_json([inputs, outcomes])
    write_json(path, {"inputs": inputs, "outcomes": outcomes, "sha256": sha256})


def read_chunk(path: Path, inputs: dict[str, Any]) -> list[Outcome] | None:
    """Return what `write_chunk` wrote for these inputs; None if there is nothing, or something broken."""
    if not path.exists():
        return None
    try:
        content = read_json(path)
        outcomes: list[Outcome] = content["outcomes"]
        if content["sha256"] == digest_json([inputs, outcomes]):
            return outcomes
    except (UserError, KeyError, TypeError, ValueError):
        pass  # told below
    print(f"{path} is broken; its heads are trained again")
    return None


def expand(grid: Grid) -> list[Configuration]:
    """Return every combination of the values of HYPERPARAMETERS, the last varying fastest."""
    products = itertools.product(*(grid.values()[name] for name in HYPERPARAMETERS))
    return [dict(zip(HYPERPARAMETERS, chosen, strict=True)) for chosen in products]


def distinct(entries: Sequence[Configuration]) -> tuple[list[Configuration], list[int]]:
    """Return the entries that train differently, and for each entry the index of its training among them."""
    effective = [without_effectless(entry) for entry in entries]
    keys = [json.dumps(one, sort_keys=True) for one in effective]
    trainings = dict(zip(keys, effective, strict=True))
    indices = {key: index for index, key in enumerate(trainings)}
    return list(trainings.values()), [indices[key] for key in keys]


def without_effectless(configuration: Configuration) -> Configuration:
    """Return the configuration with what means nothing to its optimiser at 0: it trains the same head.

    So does one that stops early, until it stops: that is read off its curves.
    """
    own = OPTIMIZER_OPTIONS[configuration["optimizer"]]
    return configuration | {name: 0.0 for name in OF_SOME_OPTIMIZERS if name not in own} | STOPPING
