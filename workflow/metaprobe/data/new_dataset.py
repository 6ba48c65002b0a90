"""A folder of class folders that a configuration is to be recommended for, as a data set of the run."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config.datasets import (Entry, Folder)
from metaprobe.core.errors import UserError
from metaprobe.data.readers import Dataset, folder

FEWEST_CLASSES = 2
FEWEST_CLASS_IMAGES = 3
FEWEST_IMAGES = 20


def declare(path: str, taken: Collection[str]) -> tuple[str, Entry]:
    """Return the id and the entry of the data set in the folder `path`.

    The id is the folder's name, with `_` for what an id may not hold; the classes are counted.

    Args:
        taken: ids that are data sets already.

    Raises:
        UserError: there is no such folder, its name cannot be an id or is taken, or it has too few
            classes or pictures.
    """
    root = Path(path).expanduser().resolve()
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", root.name).strip("_-")
    if not name or name.lower() in ("na", "nan", "none", "null"):
        raise UserError(f"the folder's name, {root.name!r}, gives no id: rename it to a word")
    if clash := next((other for other in taken if other.lower() == name.lower()), None):
        raise UserError(f"{name} is the id of a declared data set, {clash}: rename the folder")
    entry = Folder(kind="folder", path=str(root), classes=FEWEST_CLASSES)
    dataset = folder.read(name, entry, Path())
    _check_size(name, root, dataset)
    return name, entry.model_copy(update={"classes": len(dataset.class_names)})


def _check_size(name: str, root: Path, dataset: Dataset) -> None:
    if len(dataset.class_names) < FEWEST_CLASSES:
        raise UserError(
            f"{name}: {root} has one class with pictures, {dataset.class_names[0]}; "
            f"at least {FEWEST_CLASSES} are needed"
        )
    for split, pool in dataset.pools.items():
        if split == "test":
            continue
        counts = np.bincount(pool.labels, minlength=len(dataset.class_names))
        fewest = counts.argmin()
        if counts[fewest] < FEWEST_CLASS_IMAGES:
            raise UserError(
                f"{name}: class {dataset.class_names[fewest]} has {counts[fewest]} pictures to "
                f"train on; at least {FEWEST_CLASS_IMAGES} are needed: add some, or remove the class"
            )
        if counts.sum() < FEWEST_IMAGES:
            raise UserError(
                f"{name}: {root} has {counts.sum()} pictures to train on; "
                f"at least {FEWEST_IMAGES} are needed to describe a data set"
            )
