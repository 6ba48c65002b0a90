"""Reader of PatchCamelyon: HDF5 files opened once instead of twice per picture."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workflow.metaprobe.errors import UserError
from workflow.metaprobe.readers import Dataset, Entry, Pool

CLASS_NAMES = ["normal", "tumour"]


def read(task_id: str, entry: Entry, data: Path) -> Dataset:
    """`pcam/camelyonpatch_level_2_split_{train,test}_{x,y}.h5`."""
    return Dataset(CLASS_NAMES, {part: _pool(data / "pcam", part) for part in ("train", "test")})


def _pool(root: Path, part: str) -> Pool:
    pictures = _dataset(root / f"camelyonpatch_level_2_split_{part}_x.h5", "x")
    labels = _dataset(root / f"camelyonpatch_level_2_split_{part}_y.h5", "y")
    if len(labels) != len(pictures):
        raise UserError(f"{root}: {len(pictures)} pictures but {len(labels)} labels in {part}")
    return Pool(labels[:, 0, 0, 0].astype(np.int64), lambda index: Image.fromarray(pictures[index]))


def _dataset(file: Path, name: str) -> Any:
    try:
        import h5py
    except ImportError:
        raise UserError("PCAM needs the package h5py: pip install h5py") from None
    if not file.is_file():
        raise UserError(f"{file} is missing")
    try:
        return h5py.File(file, "r")[name]
    except (OSError, KeyError) as error:
        raise UserError(f"{file} is not the HDF5 file it should be ({error})") from None
