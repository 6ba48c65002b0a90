"""CIFAR10 and CIFAR100: dictionaries pickled by Python 2, whose texts are byte strings."""

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts import CLASSES, COUNTS
from .pictures import generator, mixed_labels, pictures

CIFAR10_NAMES = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]


# The pickler written in Python: the one in C lets nobody change how a text is written.
Pickler: Any = pickle._Pickler


class Python2Pickler(Pickler):  # type: ignore[misc]
    """Writes texts and bytes as Python 2 wrote its `str`: read as text only with an encoding."""

    dispatch = Pickler.dispatch.copy()

    def save_string(self, value: str | bytes) -> None:
        encoded = value.encode("latin1") if isinstance(value, str) else value
        if len(encoded) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(encoded)]) + encoded)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(encoded)) + encoded)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def write_pickle(path: Path, value: dict[str, Any]) -> None:
    """Protocol 2, with the module names of the NumPy of that time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    path.write_bytes(buffer.getvalue().replace(b"numpy._core.", b"numpy.core."))


def rows(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 32, 32, 3) to (N, 3072): all red values, all green, all blue."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def filenames(count: int) -> list[str]:
    return [f"picture_s_{number:06d}.png" for number in range(count)]


def write_cifar10(data: Path) -> None:
    """Five training batches, a test batch, batches.meta."""
    rng = generator("cifar10")
    folder = data / "cifar-10-batches-py"
    batch = COUNTS["CIFAR10"]["train"] // 5
    sizes = {f"data_batch_{n}": batch for n in range(1, 6)} | {
        "test_batch": COUNTS["CIFAR10"]["test"]
    }
    for name, count in sizes.items():
        labels = mixed_labels(count, CLASSES["CIFAR10"], rng)
        entry = {
            "batch_label": name,
            "labels": labels.tolist(),
            "data": rows(pictures(labels, CLASSES["CIFAR10"], 32, 3, rng)),
            "filenames": filenames(count),
        }
        write_pickle(folder / name, entry)
    meta = {"num_cases_per_batch": batch, "label_names": CIFAR10_NAMES, "num_vis": 3072}
    write_pickle(folder / "batches.meta", meta)


def write_cifar100(data: Path) -> None:
    """train, test, meta; every picture has a fine and a coarse label."""
    rng = generator("cifar100")
    folder = data / "cifar-100-python"
    for part, count in COUNTS["CIFAR100"].items():
        labels = mixed_labels(count, CLASSES["CIFAR100"], rng)
        entry = {
            "filenames": filenames(count),
            "batch_label": f"{part}ing batch 1 of 1",
            "fine_labels": labels.tolist(),
            "coarse_labels": (labels // 5).tolist(),
            "data": rows(pictures(labels, CLASSES["CIFAR100"], 32, 3, rng)),
        }
        write_pickle(folder / part, entry)
    meta = {
        "fine_label_names": [f"fine_{n:02d}" for n in range(CLASSES["CIFAR100"])],
        "coarse_label_names": [f"coarse_{n:02d}" for n in range(20)],
    }
    write_pickle(folder / "meta", meta)
