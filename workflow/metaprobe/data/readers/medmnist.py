"""Reader of MedMNIST's npz files (single-label, two-dimensional); the package is not needed."""

from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metaprobe.core.errors import UserError
from metaprobe.config.datasets import MedMNIST
from metaprobe.data.readers import Dataset, Pool, damaged_file, missing_file, numbered_classes


def read(task_id: str, entry: MedMNIST, data: Path) -> Dataset:
    """Return the official training and test part of `medmnist/<task_id in small letters>.npz`, or `path`.

    The official validation part is not used. Pictures are unpacked when the first one is asked for.
    """
    file = data / Path(entry.path or f"medmnist/{task_id.lower()}.npz").expanduser()
    if not file.is_file():
        raise missing_file(task_id, file)
    pools = {split: _pool(task_id, file, split) for split in ("train", "test")}
    return Dataset(numbered_classes(entry.classes), pools)


def _pool(task_id: str, file: Path, split: str) -> Pool:
    labels = _array(task_id, file, f"{split}_labels").astype(np.int64)
    if labels.ndim != 2 or labels.shape[1] != 1:
        raise UserError(
            f"{task_id}: the {split} labels in {file} have shape {labels.shape}, not (N, 1); only "
            "data sets with one label per picture can be used"
        )

    @cache
    def pictures() -> NDArray[Any]:
        found = _array(task_id, file, f"{split}_images")
        if len(found) != len(labels):
            raise damaged_file(
                task_id, file, f"{len(found)} {split} pictures, {len(labels)} labels"
            )
        return found

    return Pool(
        labels[:, 0], lambda index: Image.fromarray(pictures()[index]), labels_in=str(file)
    )


def _array(task_id: str, file: Path, name: str) -> NDArray[Any]:
    try:
        with np.load(file) as arrays:
            array: NDArray[Any] = arrays[name]
            return array
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise damaged_file(task_id, file, error) from error
