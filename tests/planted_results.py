"""A folder of results as a run of two seconds' work would have written it: planted numbers, true files."""

from pathlib import Path
from typing import Any

import fragments
import numpy as np
import pandas as pd
from metaprobe.config.configurations import Grid
from metaprobe.core.arrays import write_arrays, write_rows
from metaprobe.core.files import write_checked_json, write_csv
from metaprobe.core.parquet import write_parquet
from metaprobe.tables.collect import target_table
from metaprobe.tables.predictions import write_predictions
from planted_tables import SIX

from benchmarks import reader

# Birds' images are in three tasks, one of them derived; digits are a declared family.
FAMILIES = {"Birds": None, "Birds-half": "Birds", "Birds-grey": "Birds"}
FAMILIES |= {"MNIST": "digits", "USPS": "digits", "Flowers": None, "Digits": None}
NAMES = ("resnet18-plain", "resnet18-regularized", "mobilenetv2-plain")
GRID = {
    "architecture": ["ResNet18", "MobileNetV2"],
    "learning_rate": [0.1, 0.01],
    "optimizer": ["SGD", "Adam"],
    "momentum": [0.5, 0.9],
    "epochs": [3],
}
EXPERIMENTS = [(task, name) for task in FAMILIES for name in NAMES]
IMAGES, WIDTH = 20, 4


def write_results(folder: Path) -> Path:
    """Write everything that the reader knows; return the folder."""
    made = [fragment(*ids, number) for number, ids in enumerate(EXPERIMENTS)]
    fragments.write_all(folder / "metrics", made)
    tables = fragments.tables(made)
    for name in ("experiments", "replicates", "curves"):
        write_parquet(folder / f"{name}.parquet", getattr(tables, name), tables.made_from)
    write_csv(folder / "experiments.csv", tables.experiments)
    write_csv(folder / "target_representations.csv", target_table(tables.experiments))
    write_predicted(folder)
    write_described(folder)
    write_features(folder)
    reader.write(folder, Grid.model_validate(GRID), tasks=2)
    return folder


def fragment(task: str, name: str, number: int) -> dict[str, Any]:
    """A fragment whose numbers differ from experiment to experiment and from epoch to epoch."""
    rng = np.random.default_rng(number)
    losses, accuracies = rng.exponential(size=3).tolist(), (rng.integers(21, size=3) / 20).tolist()
    pairs = enumerate(zip(losses, accuracies, strict=True), start=1)
    curve = [
        {"epoch": e, "train_loss": 0.5, "test_loss": loss, "test_accuracy": accuracy}
        | {"validation_loss": loss + 1, "validation_accuracy": accuracy / 2}
        for e, (loss, accuracy) in pairs
    ]
    last = {key: curve[-1][key] for key in curve[-1] if key not in ("epoch", "train_loss")}
    derived = {"read_as": "derived from Birds"} if FAMILIES[task] == "Birds" else {}
    made = fragments.fragment(
        task,
        name,
        **SIX[name] | last | derived,
        family=FAMILIES[task],
        validation_images=500,
        training_time_sec=100.0 + number,
        learning_curve=curve,
    )
    tested = {key: value for key, value in last.items() if key.startswith("test_")}
    made["replicates"][0] |= tested | {"learning_curve": curve}
    return fragments.with_checksum(made)


def write_predicted(folder: Path) -> None:
    """What each head says of the test images, one by one and together."""
    for number, (task, name) in enumerate(EXPERIMENTS):
        rng = np.random.default_rng(number)
        arrays = {
            "image": np.arange(IMAGES, dtype=np.int32),
            "true_class": rng.integers(3, size=IMAGES, dtype=np.int32),
            "predicted_class": rng.integers(3, size=(1, IMAGES), dtype=np.int32),
            "probability_true": rng.random((1, IMAGES)),
            "probability_predicted": rng.random((1, IMAGES)),
        }
        path = folder / f"predictions/{task}/{name}.safetensors"
        write_arrays(path, arrays, {"task_id": task, "configuration": name})
    write_predictions(folder / "predictions.parquet", folder / "predictions", EXPERIMENTS)


def write_described(folder: Path) -> None:
    """The meta-features, one by one and together."""
    rows = []
    for number, task in enumerate(FAMILIES):
        row = {"log10_classes": 1.0 + number, "LogME_ResNet18": number / 7}
        rows.append({"task_id": task, **row})
        write_checked_json(folder / f"descriptions/{task}.json", {"task_id": task, "rows": [row]})
    write_parquet(folder / "basic_representations.parquet", pd.DataFrame(rows), {})


def write_features(folder: Path) -> None:
    """Features of a data set behind two backbones, and of half of its images."""
    rng = np.random.default_rng(0)
    arrays = {
        "train_features": rng.random((10, WIDTH), np.float32),
        "train_labels": np.arange(10),
        "test_features": rng.random((6, WIDTH), np.float32),
        "test_labels": np.arange(6),
    }
    for name in ("Birds/ResNet18", "Birds/MobileNetV2", "Digits/ResNet18"):
        write_arrays(folder / f"features/{name}.safetensors", arrays, {})
    half = {"train_rows": np.arange(0, 10, 2), "train_labels": np.arange(0, 10, 2)}
    parent = folder / "features/Birds/ResNet18.safetensors"
    path = folder / "features/Birds-half/ResNet18.safetensors"
    write_rows(path, parent, {"train_features": "train_rows"}, half, {})
