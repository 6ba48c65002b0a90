"""MNIST and its relatives: arrays in big-endian IDX files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts import CLASSES, COUNTS
from .pictures import generator, mixed_labels, pictures

PREFIX = {"train": "train", "test": "t10k"}
EMNIST_SPLITS = {
    "EMNIST": "letters",
    "EMNIST_Balanced": "balanced",
    "EMNIST_Digits": "digits",
    "EMNIST_MNIST": "mnist",
    "EMNIST_ByClass": "byclass",
    "EMNIST_ByMerge": "bymerge",
}


def write_idx(path: Path, array: NDArray[Any]) -> None:
    """Two zero bytes, type code, rank, the shape, then the numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = {np.dtype("uint8"): 8, np.dtype("int32"): 12}[array.dtype]
    shape = np.array(array.shape, ">i4").tobytes()
    path.write_bytes(
        bytes([0, 0, code, array.ndim])
        + shape
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def write_mnist_like(data: Path, task: str) -> None:
    """<task>/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte."""
    rng = generator(task)
    for part, count in COUNTS[task].items():
        labels = mixed_labels(count, CLASSES[task], rng)
        stem = data / task / "raw" / PREFIX[part]
        write_idx(Path(f"{stem}-images-idx3-ubyte"), pictures(labels, CLASSES[task], 28, 1, rng))
        write_idx(Path(f"{stem}-labels-idx1-ubyte"), labels.astype(np.uint8))


def write_mnist(data: Path) -> None:
    write_mnist_like(data, "MNIST")


def write_fashion_mnist(data: Path) -> None:
    write_mnist_like(data, "FashionMNIST")


def write_kmnist(data: Path) -> None:
    write_mnist_like(data, "KMNIST")


def write_emnist(data: Path) -> None:
    """Six splits in one folder; pictures are transposed, and letters count from 1."""
    for task, split in EMNIST_SPLITS.items():
        rng = generator(task)
        first_label = 1 if split == "letters" else 0
        for part, count in COUNTS[task].items():
            labels = mixed_labels(count, CLASSES[task], rng)
            stem = data / "EMNIST" / "raw" / f"emnist-{split}-{part}"
            upright = pictures(labels, CLASSES[task], 28, 1, rng)
            write_idx(Path(f"{stem}-images-idx3-ubyte"), upright.transpose(0, 2, 1))
            write_idx(Path(f"{stem}-labels-idx1-ubyte"), (labels + first_label).astype(np.uint8))


def write_qmnist(data: Path) -> None:
    """Labels are rows of eight integers; the digit is the first, and other columns vary too."""
    rng = generator("qmnist")
    for part, count in COUNTS["QMNIST"].items():
        labels = mixed_labels(count, CLASSES["QMNIST"], rng)
        series, writer, digit_index = rng.integers((0, 0, 0), (8, 4000, 60), (count, 3)).T
        nist_class, unused = labels + 48, np.zeros_like(labels)
        rows = (labels, series, writer, digit_index, nist_class, np.arange(count), unused, unused)
        raw = data / "QMNIST" / "raw"
        write_idx(
            raw / f"qmnist-{part}-images-idx3-ubyte",
            pictures(labels, CLASSES["QMNIST"], 28, 1, rng),
        )
        write_idx(raw / f"qmnist-{part}-labels-idx2-int", np.stack(rows, axis=1).astype(np.int32))
