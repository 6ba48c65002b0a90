"""The whole grid of one data set of ten classes: all entries of config/grid.yaml on its features."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from metaprobe.config.configurations import Grid
from metaprobe.config.load import read_strictly
from metaprobe.core.arrays import digest_arrays, write_arrays
from metaprobe.training.sweep import sweep

from benchmarks.backbones import BACKBONES, ready

TRAIN, TEST, CLASSES = 5000, 1000, 10


def write_features(path: Path, architecture: str) -> None:
    """Features as behind a ReLU, of classes that can be told apart in part."""
    rng = np.random.default_rng(0)
    width = ready(BACKBONES[architecture]).width
    centres = rng.normal(size=(CLASSES, width)) * 0.3
    arrays = {}
    for part, count in (("train", TRAIN), ("test", TEST)):
        labels = rng.integers(0, CLASSES, count)
        noisy = centres[labels] + rng.normal(size=(count, width))
        arrays[f"{part}_features"] = noisy.clip(0).astype(np.float32)
        arrays[f"{part}_labels"] = labels
    facts = {
        "task_id": "Synthetic",
        "architecture": architecture,
        "class_count": CLASSES,
        "features_sha256": digest_arrays(arrays),
        "weights": {"id": "none"},
    }
    write_arrays(path, arrays, facts)


def measure() -> dict[str, tuple[float, int]]:
    """CPU seconds and rows by architecture; evaluation of every head and epoch included."""
    torch.set_num_threads(1)
    grid = Grid.model_validate(read_strictly("config/grid.yaml")["grid"])
    code = dict.fromkeys(grid.values()["optimizer"], "bench")
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        for architecture in grid.values()["architecture"]:
            features = Path(temporary, f"{architecture}.safetensors")
            write_features(features, architecture)
            start = time.process_time()
            rows = sweep(features, grid, 0, Path(temporary, architecture), code)
            found[architecture] = (time.process_time() - start, len(rows))
    return found
