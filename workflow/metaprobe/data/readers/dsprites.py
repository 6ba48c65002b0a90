"""Reader of dSprites: every combination of the factors of a drawn sprite once, in one HDF5 file."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from metaprobe.config.datasets import (DSprites)
from metaprobe.core.errors import UserError
from metaprobe.data.readers import (
    Dataset,
    Pool,
    damaged_file,
    missing_file,
    numbered_classes,
    optional_package,
)

FILE = "dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5"
# Factor → its column in latents/classes, of which the first is the colour, and how many values it has.
FACTORS = {
    "shape": (1, 3),
    "scale": (2, 6),
    "orientation": (3, 40),
    "x_position": (4, 32),
    "y_position": (5, 32),
}


def read(task_id: str, entry: DSprites, data: Path) -> Dataset:
    """Return all pictures as one pool, black and white; pictures stay on the disk.

    With C classes of a factor of V values, value v is class floor(v C / V), as in VTAB.

    Raises:
        UserError: the file is missing or damaged, the factor has fewer values than classes are
            declared, or there is no h5py.
    """
    column, values = FACTORS[entry.factor]
    if entry.classes > values:
        raise UserError(
            f"{task_id}: {entry.factor} has {values} values, but datasets.yaml declares classes: "
            f"{entry.classes}; correct the entry"
        )
    file = data / FILE
    pictures, latents = _arrays(task_id, file)
    labels = np.asarray(latents[:, column], dtype=np.int64) * entry.classes // values
    pool = Pool(labels, lambda index: Image.fromarray(pictures[index] * 255), labels_in=str(file))
    return Dataset(numbered_classes(entry.classes), {"pool": pool})


def _arrays(task_id: str, file: Path) -> tuple[Any, Any]:
    """Return `imgs` (N, 64, 64) uint8 of 0 and 1, and `latents/classes` (N, 6)."""
    h5py = optional_package(task_id, "h5py")
    if not file.is_file():
        raise missing_file(task_id, file)
    try:
        opened = h5py.File(file, "r")
        pictures, latents = opened["imgs"], opened["latents/classes"]
    except (OSError, KeyError) as error:
        raise damaged_file(task_id, file, error) from error
    if len(pictures) != len(latents):
        raise damaged_file(task_id, file, f"{len(pictures)} pictures, {len(latents)} labels")
    return pictures, latents
