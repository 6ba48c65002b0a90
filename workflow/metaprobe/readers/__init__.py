"""The readers: one module per `kind` of data set, each with one function `read`.

`read(task_id, entry, data)` opens the files below the folder `data` as the entry of
`datasets.yaml` says and returns a `Dataset`. A new kind is a new module here.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Entry = dict[str, Any]


@dataclass(frozen=True)
class Pool:
    """Images that may be drawn.

    Attributes:
        labels: (N,) int64, classes numbered from 0.
        image: index → decoded picture.
        names: (N) file names, where the images are files of their own.
    """

    labels: NDArray[np.int64]
    image: Callable[[int], Image.Image]
    names: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Dataset:
    """All images of a data set: pools `train` and `test`, or the one `pool` that is to be split."""

    class_names: list[str]
    pools: dict[str, Pool]


def read(task_id: str, entry: Entry, data: Path) -> Dataset:
    """Open a data set with the reader of its kind."""
    reader = importlib.import_module(f"{__name__}.{entry['kind']}")
    dataset: Dataset = reader.read(task_id, entry, data)
    return dataset


def numbered_classes(count: int) -> list[str]:
    """Class names for data sets that have none: `0`, `1`, …"""
    return [str(number) for number in range(count)]
