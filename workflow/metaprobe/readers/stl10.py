"""Reader of STL-10's binary files by memory map: labelled, or as four-way rotation prediction.

torchvision's class reads and hashes 3.1 GB at every construction.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from workflow.metaprobe.errors import UserError
from workflow.metaprobe.randomness import generator
from workflow.metaprobe.readers import Dataset, Entry, Pool, numbered_classes

SIDE = 96


def read(task_id: str, entry: Entry, data: Path) -> Dataset:
    """The training and test pictures with their classes, or, with `pretext: rotation`, the
    unlabelled pictures each turned by 0, 90, 180 or 270 degrees, which is its class
    (Gidaris, Singh and Komodakis, ICLR 2018)."""
    root = data / "stl10_binary"
    if entry.get("pretext") == "rotation":
        return Dataset(["0", "90", "180", "270"], {"pool": _rotated(root / "unlabeled_X.bin")})
    class_names = numbered_classes(entry["classes"])
    if (names := root / "class_names.txt").is_file():
        class_names = names.read_text().split()
    return Dataset(class_names, {part: _labelled(root, part) for part in ("train", "test")})


def _labelled(root: Path, part: str) -> Pool:
    pictures = _map_pictures(root / f"{part}_X.bin")
    labels = np.fromfile(root / f"{part}_y.bin", dtype=np.uint8).astype(np.int64) - 1
    if len(labels) != len(pictures):
        raise UserError(f"{root}: {len(pictures)} pictures but {len(labels)} labels in {part}")
    return Pool(labels, lambda index: _picture(pictures, index))


def _rotated(file: Path) -> Pool:
    pictures = _map_pictures(file)
    quarter_turns = generator(0, "STL10_Unlabeled", "rotation").integers(4, size=len(pictures))

    def image(index: int) -> Image.Image:
        return _picture(pictures, index).rotate(90 * int(quarter_turns[index]))

    return Pool(quarter_turns.astype(np.int64), image)


def _map_pictures(file: Path) -> "np.memmap[tuple[int, ...], np.dtype[np.uint8]]":
    """(N, 3, width, height) uint8: STL-10 stores each channel column by column."""
    if not file.is_file():
        raise UserError(f"{file} is missing")
    count, rest = divmod(file.stat().st_size, 3 * SIDE * SIDE)
    if rest or not count:
        raise UserError(f"{file} is truncated: {file.stat().st_size} bytes are no whole pictures")
    return np.memmap(file, dtype=np.uint8, mode="r", shape=(count, 3, SIDE, SIDE))


def _picture(pictures: "np.memmap[tuple[int, ...], np.dtype[np.uint8]]", index: int) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pictures[index].transpose(2, 1, 0)))
