"""Results folders of small runs, computed by the package itself in a moment, for what travels."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from metaprobe.core.arrays import digest_arrays, write_arrays
from metaprobe.core.files import (
    read_json,
    with_checksum,
    write_checked_json,
    write_json,
)
from metaprobe.data.subset import describe_split
from metaprobe.training.measurement import build_fragment
from metaprobe.training.trained import train_on_file

TASKS = ("Birds", "Fish")
RECIPES = {
    "plain": {"learning_rate": 0.01, "dropout_rate": 0.0},
    "regularized": {"learning_rate": 0.001, "dropout_rate": 0.1},
}
SHARED = {
    "architecture": "ResNet18",
    "optimizer": "Adam",
    "batch_size": 8,
    "weight_decay": 0.0001,
    "momentum": 0.0,
    "alpha": 1.0,
    "label_smoothing": 0.0,
    "grad_clip": 0.0,
    "epochs": 2,
}
NAMES = ["crow", "duck", "owl"]
POOL = 1000
WEIGHTS = {"id": "random (seed 0)", "file": None, "sha256": "0" * 64}


def write_run(
    folder: Path,
    tasks: tuple[str, ...] = TASKS,
    recipes: tuple[str, ...] = tuple(RECIPES),
    *,
    seed: int = 0,
    replicates: int = 1,
    train: int = 24,
    drawn: int = 0,
    moved: float = 0.0,
    engine: str = "torch",
) -> Path:
    """Write a run of these tasks and recipes; return its folder.

    Args:
        drawn: another number is another subset, of the same seed.
        moved: what another machine adds to each feature.
    """
    for task in tasks:
        _write_subset(folder, task, seed, train, drawn)
        _write_features(folder, task, moved, engine)
        for name in recipes:
            _write_experiment(folder, task, name, seed, replicates)
    return folder


def _write_subset(folder: Path, task: str, seed: int, train: int, drawn: int) -> None:
    rng = np.random.default_rng([zlib.crc32(task.encode()), seed, drawn])
    places = rng.permutation(POOL)
    subset: dict[str, Any] = {"task_id": task, "seed": seed, "sampling": "random"}
    subset |= {"read_as": "folder", "partial": False, "split": {"rule": "official"}}
    subset |= {"pretext": None, "class_count": len(NAMES), "class_names": NAMES}
    subset["pools"] = {part: {"images": POOL, "sha256": "2" * 64} for part in ("train", "test")}
    for part, count in {"train": train, "test": 20}.items():
        chosen = np.sort(places[:count] if part == "train" else places[-count:])
        subset[part] = describe_split(part, chosen, rng.integers(len(NAMES), size=POOL), NAMES)
    write_json(folder / f"subsets/{task}.json", with_checksum(subset))


def _write_features(folder: Path, task: str, moved: float, engine: str) -> None:
    subset = read_json(folder / f"subsets/{task}.json")
    rng = np.random.default_rng(zlib.crc32(task.encode()))
    arrays: dict[str, Any] = {}
    for part in ("train", "test"):
        labels = np.array(subset[part]["labels"])
        features = np.eye(6)[labels] + rng.normal(0, 0.7, (len(labels), 6)) + moved
        arrays |= {f"{part}_features": features.astype(np.float32), f"{part}_labels": labels}
    facts = {
        "task_id": task,
        "architecture": "ResNet18",
        "class_count": len(NAMES),
        "subset_sha256": subset["sha256"],
        "pixels_sha256": "1" * 64,
        "preprocessing": "protocol",
        "features_sha256": digest_arrays(arrays),
        "weights": WEIGHTS,
        "engine": {"name": engine, "version": "2.14.1"},
        "precision": "float32",
        "device": "cpu",
        "seconds": {"train_features": 1.0, "test_features": 1.0, "waiting": 0.5},
        "peak_memory_gb": 1.5,
        "versions": {"python": "3.11.7"},
    }
    facts["seconds"]["train_features"] = np.random.default_rng().random()  # another time each time
    write_arrays(folder / f"features/{task}/ResNet18.safetensors", arrays, facts)
    described = {"task_id": task, "seed": subset["seed"], "sampling": "random", "rows": [{"a": 1}]}
    described |= {"subset_sha256": subset["sha256"], "weights": {"ResNet18": WEIGHTS}}
    described |= {"features_sha256": {"ResNet18": facts["features_sha256"]}}
    write_checked_json(folder / f"descriptions/{task}.json", described)


def _write_experiment(folder: Path, task: str, name: str, seed: int, replicates: int) -> None:
    head = folder / f"heads/{task}/{name}.safetensors"
    recipe = SHARED | RECIPES[name]
    features = str(folder / f"features/{task}/ResNet18.safetensors")
    write_arrays(head, *train_on_file(features, task, recipe, seed, replicates))
    fragment, predictions = build_fragment(
        task_id=task,
        configuration=name,
        hyperparameters=recipe,
        family=None,
        subset_path=str(folder / f"subsets/{task}.json"),
        head_path=str(head),
        git_commit=None,
    )
    ids = {"task_id": task, "configuration": name}
    write_arrays(folder / f"predictions/{task}/{name}.safetensors", predictions, ids)
    write_json(folder / f"metrics/{task}/{name}.json", fragment)


def edit_fragment(folder: Path, name: str, change: dict[str, Any], *, sealed: bool = True) -> None:
    """Change what a fragment says, of its replicates too; with a digest that fits, if `sealed`."""
    path = folder / f"metrics/{name}.json"
    content = read_json(path)
    for one in content["replicates"]:
        one.update({key: value for key, value in change.items() if key in one})
    content |= change
    write_json(path, with_checksum(content) if sealed else content)
