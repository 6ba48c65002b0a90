"""Fragments for tests: a sound one of given values, and one that is built from the files of a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from metaprobe.core.arrays import digest_arrays, write_arrays
from metaprobe.core.files import csv_text, with_checksum, write_json
from metaprobe.data import subset as subsets
from metaprobe.tables.collect import Tables, tables_of, target_table
from metaprobe.training.fragment import Fragment
from metaprobe.training.measurement import build_fragment
from metaprobe.training.metrics import logits

IMAGES = {"train": 30, "test": 20}
WIDTH, CLASSES = 6, 3
HYPERPARAMETERS = {
    "alpha": 1.0,
    "architecture": "ResNet18",
    "batch_size": 64,
    "dropout_rate": 0.1,
    "epochs": 2,
    "grad_clip": 1.0,
    "label_smoothing": 0.1,
    "learning_rate": 0.001,
    "momentum": 0.0,
    "optimizer": "Adam",
    "weight_decay": 0.0001,
}


@dataclass
class Experiment:
    """The three files of one experiment, and the arrays in them."""

    subset: Path
    features: Path
    head: Path
    arrays: dict[str, Any] = field(repr=False)
    parameters: dict[str, Any] = field(repr=False)

    def fragment(self, **changes: Any) -> dict[str, Any]:
        return self.build(**changes)[0]

    def build(self, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fragment and the predictions."""
        arguments = {
            "task_id": "Birds",
            "configuration": "plain",
            "hyperparameters": HYPERPARAMETERS,
            "family": None,
            "subset_path": str(self.subset),
            "head_path": str(self.head),
            "git_commit": "0" * 40,
        }
        return build_fragment(**(arguments | changes))

    def loss_and_accuracy(self, split: str, replicate: int = 0) -> tuple[float, float]:
        """By torch, in double precision."""
        features, labels, weight, bias = (
            torch.from_numpy(array)
            for array in (
                self.arrays[f"{split}_features"].astype(np.float64),
                self.arrays[f"{split}_labels"],
                self.parameters["weight"][replicate],
                self.parameters["bias"][replicate],
            )
        )
        logits = torch.nn.functional.linear(features, weight, bias)
        loss = torch.nn.functional.cross_entropy(logits, labels).item()
        return loss, (logits.argmax(1) == labels).double().mean().item()


def experiment(
    folder: Path, seed: int = 0, scale: float = 1.0, replicates: int = 1, **of_subset: Any
) -> Experiment:
    """Write the files of an experiment whose parts fit each other."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}
    for split, count in IMAGES.items():
        features = rng.normal(0, scale, (count, WIDTH)).astype(np.float32)
        arrays[f"{split}_features"] = features
        mistaken = rng.integers(CLASSES, size=count)
        right = rng.random(count) < 0.7
        arrays[f"{split}_labels"] = np.where(right, features[:, :CLASSES].argmax(1), mistaken)
    parameters = {
        "weight": np.eye(CLASSES, WIDTH) + rng.normal(0, 0.3, (replicates, CLASSES, WIDTH)),
        "bias": rng.normal(0, 1, (replicates, CLASSES)),
    }
    names = ["crow", "duck", "owl"]
    subset = {"task_id": "Birds", "seed": seed, "sampling": "random", "pretext": None}
    subset |= {"class_count": CLASSES, "class_names": names}
    subset |= {"split": {"rule": "official"}, "partial": False, "read_as": "folder"}
    subset |= of_subset
    for split, count in IMAGES.items():
        labels = arrays[f"{split}_labels"]
        subset[split] = subsets.describe_split(split, np.arange(count), labels, names)
    subset = with_checksum(subset)
    files = [folder / name for name in ("subset.json", "features.safetensors", "head.safetensors")]
    made = Experiment(*files, arrays, parameters)
    write_json(made.subset, subset)
    extraction = {
        "task_id": "Birds",
        "architecture": "ResNet18",
        "class_count": CLASSES,
        "subset_sha256": subset["sha256"],
        "pixels_sha256": "1" * 64,
        "preprocessing": "protocol",
        "features_sha256": digest_arrays(arrays),
        "weights": {"id": "random (seed 0)", "file": None, "sha256": "0" * 64},
        "engine": {"name": "torch", "version": "2.14.1"},
        "precision": "float32",
        "device": "cpu",
        "seconds": {"train_features": 12.5, "test_features": 3.25, "waiting": 0.5},
        "peak_memory_gb": 1.5,
        "versions": {"python": "3.11.7", "torch": "2.14.1", "pillow": "13.0.0"},
    }
    write_arrays(made.features, arrays, extraction)
    trained = []
    for number in range(replicates):
        loss, accuracy = made.loss_and_accuracy("test", number)
        point = {"train_loss": loss, "test_loss": loss, "test_accuracy": accuracy}
        curve = [{"epoch": 1} | point | {"test_loss": 2 * loss}, {"epoch": 2} | point]
        _, train_accuracy = made.loss_and_accuracy("train", number)
        trained.append({"seed": seed + number, "learning_curve": curve, "seconds": 0.75 + number})
        trained[-1] |= {"cpu_seconds": 0.5 + number, "train_accuracy": train_accuracy}
    training = {
        "replicates": trained,
        "extraction": extraction,
        "parts": {},
        "train_images": IMAGES["train"],
        "features_sha256": extraction["features_sha256"],
        "hyperparameters": HYPERPARAMETERS,
        "seed": seed,
        "peak_memory_gb": 0.25,
        "versions": {"python": "3.11.7", "torch": "2.14.1"},
    }
    said = [
        logits(arrays["test_features"], weight, bias)
        for weight, bias in zip(parameters["weight"], parameters["bias"], strict=True)
    ]
    write_arrays(made.head, parameters | {"test_logits": np.stack(said)}, training)
    return made


def fragment(
    task_id: str = "MNIST", configuration: str = "plain", **columns: Any
) -> dict[str, Any]:
    """A sound fragment of one replicate; its values are those of the first test's first row unless given."""
    values = {
        "task_id": task_id,
        "architecture": "ResNet18",
        "learning_rate": 0.01,
        "optimizer": "Adam",
        "batch_size": 64,
        "weight_decay": 0.0001,
        "momentum": 0.0,
        "dropout_rate": 0.0,
        "alpha": 1.0,
        "label_smoothing": 0.0,
        "grad_clip": 0.0,
        "test_accuracy": 0.947,
        "train_accuracy": 0.9232,
        "test_loss": 0.19968,
        "training_time_sec": 295.4449,
        "epochs": 3,
    }
    values |= columns
    last = {key: values[key] for key in ("test_loss", "test_accuracy")}
    curve = [{"epoch": e, "train_loss": 0.5} | last for e in range(1, values["epochs"] + 1)]
    head = values["training_time_sec"] / 10
    more = {
        "test_balanced_accuracy": 0.94,
        "test_macro_f1": 0.93,
        "test_top5_accuracy": 0.99,
        "test_expected_calibration_error": 0.02,
    }
    measured = {name: values[name] for name in ("test_accuracy", "train_accuracy", "test_loss")}
    measured |= more
    provenance = {
        "configuration": configuration,
        **more,
        "train_majority_rate": 0.12,
        "test_majority_rate": 0.13,
        "class_count": 10,
        "pretext": None,
        "split": {"rule": "official"},
        "partial": False,
        "read_as": "torchvision",
        "family": "digits",
        "train_images": 5000,
        "test_images": 1000,
        "sampling": "random",
        "subset_sha256": "0" * 64,
        "pixels_sha256": "1" * 64,
        "preprocessing": "protocol",
        "weights": {"id": "random (seed 0)", "file": None, "sha256": "0" * 64},
        "seed": 0,
        "engine": {"name": "torch", "version": "2.14.1"},
        "precision": "float32",
        "device": "cpu",
        "seconds": {
            "train_features": 9 * head,
            "test_features": 60.0,
            "waiting": 0.1,
            "head": head,
        },
        "peak_memory_gb": {"features": 1.5, "head": 0.25},
        "learning_curve": curve,
        "replicates": [{"seed": 0, **measured, "seconds": head, "learning_curve": curve}],
        "versions": {"python": "3.11.7"},
        "git_commit": None,
    }
    return with_checksum(values | provenance | columns)


def write_all(folder: Path, fragments: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Write fragments where the workflow does; return their experiments."""
    for one in fragments:
        write_json(folder / one["task_id"] / f"{one['configuration']}.json", one)
    return [(one["task_id"], one["configuration"]) for one in fragments]


def tables(fragments: list[dict[str, Any]]) -> Tables:
    """The tables that a run would collect from fragments."""
    return tables_of([Fragment.model_validate(one) for one in fragments])


def target_csv(fragments: list[dict[str, Any]]) -> str:
    """The text of the target table of fragments."""
    return csv_text(target_table(tables(fragments).experiments))
