"""Reader of small NORB's binary matrices: toys under turned angles and lights."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metaprobe.config.datasets import (SmallNORB)
from metaprobe.data.readers import Dataset, Pool, damaged_file, missing_file, unequal_files

FILES = {
    "train": "smallnorb-5x46789x9x18x6x2x96x96-training",
    "test": "smallnorb-5x01235x9x18x6x2x96x96-testing",
}
TYPES: dict[int, np.dtype[Any]] = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}
COLUMNS = {"elevation": 1, "azimuth": 2, "lighting": 3}  # of -info; category has a file of its own
NAMES = {
    "category": ["four-legged animal", "human figure", "airplane", "truck", "car"],
    "elevation": [f"{30 + 5 * number} degrees" for number in range(9)],
    "azimuth": [f"{20 * number} degrees" for number in range(18)],
    "lighting": [f"light {number}" for number in range(6)],
}
AZIMUTH_STEP = 2  # azimuths are numbered 0, 2, ..., 34


def read(task_id: str, entry: SmallNORB, data: Path) -> Dataset:
    """Return the left picture (96 × 96, grey) of each pair in `smallnorb/*-{dat,cat,info}.mat`; it stays on the disk.

    Raises:
        UserError: a file is missing or damaged, or does not fit its companion.
    """
    pools = {
        split: _pool(task_id, entry.factor, data / "smallnorb", name)
        for split, name in FILES.items()
    }
    return Dataset(NAMES[entry.factor], pools)


def _pool(task_id: str, factor: str, folder: Path, name: str) -> Pool:
    dat = folder / f"{name}-dat.mat"
    file = folder / f"{name}-{'cat' if factor == 'category' else 'info'}.mat"
    pictures, found = _matrix(task_id, dat), _matrix(task_id, file)
    if len(pictures) != len(found):
        raise unequal_files(task_id, (dat, len(pictures)), (file, len(found)))
    labels = (found if factor == "category" else found[:, COLUMNS[factor]]).astype(np.int64)
    if factor == "azimuth":
        labels //= AZIMUTH_STEP
    return Pool(
        labels, lambda index: Image.fromarray(np.array(pictures[index, 0])), labels_in=str(file)
    )


def _matrix(task_id: str, file: Path) -> NDArray[Any]:
    """Return a matrix, mapped: a number that tells its type, its dimensions, at least three sizes, its values."""
    if not file.is_file():
        raise missing_file(task_id, file)
    with open(file, "rb") as opened:
        header = opened.read(8 + 4 * 8)
    try:
        magic, dimensions = struct.unpack_from("<II", header)
        shape: tuple[int, ...] = struct.unpack_from(f"<{dimensions}I", header, 8)
        kind, offset = TYPES[magic], 8 + 4 * max(3, dimensions)
        if file.stat().st_size != offset + math.prod(shape) * kind.itemsize:
            raise ValueError(f"it has not the bytes of a matrix of {shape}")
        found: NDArray[Any] = np.memmap(file, dtype=kind, mode="r", offset=offset, shape=shape)
        return found
    except (struct.error, KeyError, ValueError) as error:
        raise damaged_file(task_id, file, error) from error
