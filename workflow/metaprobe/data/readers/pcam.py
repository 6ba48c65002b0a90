"""Reader of PatchCamelyon: HDF5 files opened once instead of twice per picture."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from metaprobe.config.datasets import (PCAM)
from metaprobe.data.readers import (
    Dataset,
    Pool,
    damaged_file,
    missing_file,
    optional_package,
    unequal_files,
)

CLASS_NAMES = ["normal", "tumour"]


def read(task_id: str, entry: PCAM, data: Path) -> Dataset:
    """Return the pictures of `pcam/camelyonpatch_level_2_split_{train,test}_{x,y}.h5`; pictures stay on the disk.

    Raises:
        UserError: a file is missing, truncated, or does not fit its companion, or there is no h5py.
    """
    pools = {split: _pool(task_id, data / "pcam", split) for split in ("train", "test")}
    return Dataset(CLASS_NAMES, pools)


def _pool(task_id: str, root: Path, split: str) -> Pool:
    x, y = (root / f"camelyonpatch_level_2_split_{split}_{key}.h5" for key in "xy")
    pictures, labels = _dataset(task_id, x, "x"), _dataset(task_id, y, "y")
    if len(labels) != len(pictures):
        raise unequal_files(task_id, (x, len(pictures)), (y, len(labels)))
    numbers = labels[:, 0, 0, 0].astype(np.int64)
    return Pool(numbers, lambda index: Image.fromarray(pictures[index]), labels_in=str(y))


def _dataset(task_id: str, file: Path, name: str) -> Any:
    h5py = optional_package(task_id, "h5py")
    if not file.is_file():
        raise missing_file(task_id, file)
    try:
        return h5py.File(file, "r")[name]
    except (OSError, KeyError) as error:
        raise damaged_file(task_id, file, error) from error
