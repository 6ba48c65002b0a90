"""Reader of STL-10's binary files by memory map: labelled, or as four-way rotation prediction.

torchvision's class reads and hashes 3.1 GB at every construction.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from metaprobe.core.randomness import generator
from metaprobe.config.datasets import (STL10)
from metaprobe.data.readers import (
    Dataset,
    Pool,
    damaged_file,
    missing_file,
    numbered_classes,
    unequal_files,
)

SIDE = 96
PICTURE_BYTES = 3 * SIDE * SIDE
Pictures = np.memmap[tuple[int, ...], np.dtype[np.uint8]]


def read(task_id: str, entry: STL10, data: Path) -> Dataset:
    """Return the training and test pictures with their classes, or, with `pretext: rotation`, the
    unlabelled pictures each turned by 0, 90, 180 or 270 degrees, which is its class
    (Gidaris, Singh and Komodakis, ICLR 2018).
    """
    root = data / "stl10_binary"
    if entry.pretext == "rotation":
        pool = _rotated(task_id, root / "unlabeled_X.bin")
        return Dataset(["0", "90", "180", "270"], {"pool": pool}, pretext="rotation")
    class_names = numbered_classes(entry.classes)
    if (names := root / "class_names.txt").is_file():
        class_names = names.read_text(encoding="utf-8").split()
    return Dataset(
        class_names, {split: _labelled(task_id, root, split) for split in ("train", "test")}
    )


def _labelled(task_id: str, root: Path, split: str) -> Pool:
    x, y = root / f"{split}_X.bin", root / f"{split}_y.bin"
    pictures = _map_pictures(task_id, x)
    if not y.is_file():
        raise missing_file(task_id, y)
    labels = np.fromfile(y, dtype=np.uint8).astype(np.int64) - 1
    if len(labels) != len(pictures):
        raise unequal_files(task_id, (x, len(pictures)), (y, len(labels)))
    return Pool(labels, lambda index: _picture(pictures, index), labels_in=str(y))


def _rotated(task_id: str, file: Path) -> Pool:
    """Return every picture once, under one of the four rotations; each of these equally often."""
    pictures = _map_pictures(task_id, file)
    draws = generator(0, "STL10_Unlabeled", "rotation")
    quarter_turns = draws.permutation(np.arange(len(pictures), dtype=np.int64) % 4)
    return Pool(
        quarter_turns, lambda i: _picture(pictures, i).rotate(90 * int(quarter_turns[i]))
    )


def _map_pictures(task_id: str, file: Path) -> Pictures:
    """Return (N, 3, width, height) uint8: STL-10 stores each channel column by column."""
    if not file.is_file():
        raise missing_file(task_id, file)
    size = file.stat().st_size
    if not size or size % PICTURE_BYTES:
        raise damaged_file(task_id, file, f"{size} bytes are no whole pictures")
    shape = (size // PICTURE_BYTES, 3, SIDE, SIDE)
    return np.memmap(file, dtype=np.uint8, mode="r", shape=shape)


def _picture(pictures: Pictures, index: int) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pictures[index].transpose(2, 1, 0)))
