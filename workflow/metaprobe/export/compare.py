"""The exported model against the run: `predict.py`, as it is exported, on every test picture."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metaprobe.config.datasets import Entry, Folder
from metaprobe.data.readers import Dataset, folder
from metaprobe.data.trees import as_tree, tree_of
from metaprobe.data.undecodable import named
from metaprobe.export import predict
from metaprobe.export.card import Compared
from metaprobe.training import metrics

Doubles = NDArray[np.float64]


def read_as_folder(task_id: str, entry: Entry, data: Path) -> Folder | None:
    """Return how a data set is read that lies in class folders; None if it lies otherwise."""
    if tree := tree_of(task_id, entry, data):
        return as_tree(entry, tree)
    return entry if isinstance(entry, Folder) else None


def pictures_of(
    part: dict[str, Any], task_id: str, dataset: Dataset, read: Folder | None, data: Path
) -> Iterator[Image.Image]:
    """Yield the pictures of a part of a subset: of files as `predict.py` opens them.

    Args:
        part: `pool` and `indices`, as a subset has them.
        read: `read_as_folder` of the data set.

    Raises:
        UserError: one does not decode; it is named.
    """
    pool = dataset.pools[part["pool"]]
    root = folder.folders_of(task_id, read, data)[part["pool"]] if read else None
    for index in part["indices"]:
        with named(task_id, part["pool"], pool, index):
            if root is None or read is None:
                picture = pool.image(index)
            else:
                picture = predict.open_picture(root / pool.names[index], read.upright)
        yield picture


def compare(
    model: predict.Model,
    pictures: Iterable[Image.Image],
    logits: Doubles,
    predicted: NDArray[np.int32],
) -> Compared:
    """Predict pictures and compare with what the run says of them.

    Args:
        logits: (N, C), the run's.
        predicted: (N,), the run's classes.
    """
    different, largest = 0, 0.0
    shares = metrics.probabilities(logits)
    for picture, share, number in zip(pictures, shares, predicted, strict=True):
        found, probabilities = model(picture)
        different += int(found != number)
        largest = max(largest, float(np.abs(probabilities - share).max()))
    return Compared(len(predicted), different, largest)
