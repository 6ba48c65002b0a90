"""Reader of npz files of pictures and labels, one for each part, as CMATERdb's numerals are."""

from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metaprobe.config.datasets import (Npz)
from metaprobe.core.errors import UserError
from metaprobe.data.readers import Dataset, Pool, damaged_file, missing_file, numbered_classes


def read(task_id: str, entry: Npz, data: Path) -> Dataset:
    """Return the `images` (N, H, W) or (N, H, W, 3) and `labels` (N,) or (N, 1) of the two files.

    Raises:
        UserError: a file is missing, damaged or does not hold both.
    """
    files = {split: data / Path(getattr(entry, split)).expanduser() for split in ("train", "test")}
    pools = {
        split: pool_of(task_id, file, split, "images", "labels") for split, file in files.items()
    }
    return Dataset(numbered_classes(entry.classes), pools)


def pool_of(task_id: str, file: Path, split: str, images: str, labels: str) -> Pool:
    """Return the arrays of those names in a file; pictures are unpacked when the first one is asked for.

    Args:
        split: the part that it is, for messages.

    Raises:
        UserError: the file is missing or damaged, or it has several labels per picture.
    """
    if not file.is_file():
        raise missing_file(task_id, file)
    numbers = _array(task_id, file, labels).astype(np.int64)
    if numbers.ndim != 1 and numbers.shape[1:] != (1,):
        raise UserError(
            f"{task_id}: the {split} labels in {file} have shape {numbers.shape}, not (N, 1); only "
            "data sets with one label per picture can be used"
        )

    @cache
    def pictures() -> NDArray[Any]:
        found = _array(task_id, file, images)
        if len(found) != len(numbers):
            raise damaged_file(
                task_id, file, f"{len(found)} {split} pictures, {len(numbers)} labels"
            )
        return found

    return Pool(
        numbers.ravel(), lambda index: Image.fromarray(pictures()[index]), labels_in=str(file)
    )


def _array(task_id: str, file: Path, name: str) -> NDArray[Any]:
    try:
        with np.load(file) as arrays:
            array: NDArray[Any] = arrays[name]
            return array
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise damaged_file(task_id, file, error) from error
