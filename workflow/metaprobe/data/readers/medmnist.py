"""Reader of MedMNIST's npz files (single-label, two-dimensional); the package is not needed."""

from pathlib import Path

from metaprobe.config.datasets import (MedMNIST)
from metaprobe.data.readers import Dataset, numbered_classes
from metaprobe.data.readers.npz import pool_of


def read(task_id: str, entry: MedMNIST, data: Path) -> Dataset:
    """Return the official training and test part of `medmnist/<task_id in small letters>.npz`, or `path`.

    The official validation part is not used. Pictures are unpacked when the first one is asked for.
    """
    file = data / Path(entry.path or f"medmnist/{task_id.lower()}.npz").expanduser()
    pools = {
        split: pool_of(task_id, file, split, f"{split}_images", f"{split}_labels")
        for split in ("train", "test")
    }
    return Dataset(numbered_classes(entry.classes), pools)
