"""Data sets in one or a few array files of their own kind: USPS, SVHN, STL10, PCAM."""

import bz2
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from .counts import CLASSES, COUNTS
from .pictures import generator, mixed_labels, pictures

STL10_NAMES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]


def write_usps(data: Path) -> None:
    """usps.bz2, usps.t.bz2: libsvm lines `label 1:value ... 256:value`, labels 1..10, values -1..1."""
    rng = generator("usps")
    data.mkdir(parents=True, exist_ok=True)
    for part, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
        labels = mixed_labels(COUNTS["USPS"][part], CLASSES["USPS"], rng)
        values = pictures(labels, CLASSES["USPS"], 16, 1, rng).reshape(len(labels), -1) / 127.5 - 1
        lines = (
            f"{label + 1} " + " ".join(f"{i}:{value:.6g}" for i, value in enumerate(row, 1))
            for label, row in zip(labels, values, strict=True)
        )
        (data / name).write_bytes(bz2.compress(("\n".join(lines) + "\n").encode()))


def write_svhn(data: Path) -> None:
    """{train,test}_32x32.mat: X (32, 32, 3, N), y (N, 1); the digit 0 has label 10."""
    rng = generator("svhn")
    data.mkdir(parents=True, exist_ok=True)
    for part, count in COUNTS["SVHN"].items():
        labels = mixed_labels(count, CLASSES["SVHN"], rng)
        images = pictures(labels, CLASSES["SVHN"], 32, 3, rng)
        y = np.where(labels == 0, 10, labels).astype(np.uint8)
        mat = {"X": images.transpose(1, 2, 3, 0), "y": y[:, None]}
        savemat(data / f"{part}_32x32.mat", mat, do_compression=True)


def column_major(images: NDArray[np.uint8]) -> bytes:
    """(N, H, W, 3) as STL10 stores it: channel by channel, column by column."""
    return images.transpose(0, 3, 2, 1).tobytes()


def write_stl10(data: Path) -> None:
    """stl10_binary: labels 1..10 in bytes; the unlabeled pictures all stand upright, so that turning them shows."""
    rng = generator("stl10")
    folder = data / "stl10_binary"
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in COUNTS["STL10"].items():
        labels = mixed_labels(count, CLASSES["STL10"], rng)
        (folder / f"{part}_X.bin").write_bytes(
            column_major(pictures(labels, CLASSES["STL10"], 96, 3, rng))
        )
        (folder / f"{part}_y.bin").write_bytes((labels + 1).astype(np.uint8).tobytes())
    upright = np.zeros(COUNTS["STL10_Unlabeled"]["pool"], np.int64)
    (folder / "unlabeled_X.bin").write_bytes(
        column_major(pictures(upright, CLASSES["STL10"], 96, 3, rng))
    )
    (folder / "class_names.txt").write_text("\n".join(STL10_NAMES) + "\n")
    train = COUNTS["STL10"]["train"]
    folds = (" ".join(map(str, np.sort(rng.permutation(train)[: train // 5]))) for _ in range(10))
    (folder / "fold_indices.txt").write_text("\n".join(folds) + "\n")


def write_pcam(data: Path) -> None:
    """camelyonpatch_level_2_split_*_{x,y}.h5: x (N, 96, 96, 3), y (N, 1, 1, 1)."""
    rng = generator("pcam")
    folder = data / "pcam"
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in COUNTS["PCAM"].items():
        labels = mixed_labels(count, CLASSES["PCAM"], rng)
        arrays = {
            "x": pictures(labels, CLASSES["PCAM"], 96, 3, rng),
            "y": labels.astype(np.uint8).reshape(-1, 1, 1, 1),
        }
        for key, array in arrays.items():
            with h5py.File(folder / f"camelyonpatch_level_2_split_{part}_{key}.h5", "w") as file:
                file[key] = array
