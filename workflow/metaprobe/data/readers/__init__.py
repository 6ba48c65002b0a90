"""The readers: one module per `kind` of data set, each with one function `read`.

`read(task_id, entry, data)` opens the files below the folder `data` as the entry, of the kind's model
in `config/datasets.py`, says and returns a `Dataset`. It raises a UserError that names the file if one is
missing, damaged, or does not fit the others, or a package that is not installed.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metaprobe.config.datasets import (Entry)
from metaprobe.core.errors import UserError

SHOWN = 3


@dataclass(frozen=True)
class Pool:
    """Images that may be drawn.

    Attributes:
        labels: (N,) int64, classes numbered from 0.
        image: index → decoded picture.
        names: (N) file names, where the images are files of their own.
        labels_in: the file that the labels stand in, where there is one.
    """

    labels: NDArray[np.int64]
    image: Callable[[int], Image.Image]
    names: Sequence[str] = field(default=())
    labels_in: str = ""


@dataclass(frozen=True)
class Dataset:
    """All images of a data set: pools `train` and `test`, or the one `pool` that is to be split.

    Attributes:
        empty_folders: class folders passed over, as they hold no pictures.
        passed_over: files in class folders that are no pictures that Pillow reads here.
        layout: how its files lie, if not as they were published.
        pretext: the self-supervised task that the labels are of; None: the data set's own labels.
        read_as: the kind of reader that made it.
    """

    class_names: list[str]
    pools: dict[str, Pool]
    empty_folders: Sequence[str] = field(default=())
    passed_over: Sequence[str] = field(default=())
    layout: str = ""
    pretext: str | None = None
    read_as: str = ""

    @property
    def notes(self) -> str:
        """What people should know of how it was read; empty if nothing."""
        notes = [self.layout]
        if count := len(self.passed_over):
            files = "1 file is" if count == 1 else f"{count:,} files are"
            more = ", ..." if count > SHOWN else ""
            shown = ", ".join(self.passed_over[:SHOWN])
            notes.append(f"{files} passed over, as Pillow does not read it here: {shown}{more}")
        return "; ".join(filter(None, notes))


def read(task_id: str, entry: Entry, data: Path) -> Dataset:
    """Open a data set with the reader of its kind."""
    reader = importlib.import_module(f"{__name__}.{entry.kind}")
    dataset: Dataset = reader.read(task_id, entry, data)
    return replace(dataset, read_as=entry.kind)


def numbered_classes(count: int) -> list[str]:
    """Return class names for data sets that have none: `0`, `1`, …"""
    return [str(number) for number in range(count)]


def optional_package(task_id: str, name: str) -> Any:
    """Import a package that only some data sets need; a UserError says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing_package(task_id, name) from error


def missing_package(task_id: str, name: str) -> UserError:
    """Return the error for a data set that cannot be read without a package; `name` may be a submodule."""
    package = name.partition(".")[0]
    return UserError(f"{task_id} needs the Python package {package}: pip install {package}")


def missing_file(task_id: str, file: Path) -> UserError:
    """Return the error for a file without which a data set cannot be read."""
    return UserError(f"{task_id}: {file} is missing; put it there")


def damaged_file(task_id: str, file: Path, reason: object) -> UserError:
    """Return the error for a file that is there but is not what it should be."""
    return UserError(f"{task_id}: {file} is damaged ({reason}); replace it by a whole copy")


def unequal_files(task_id: str, pictures: tuple[Path, int], labels: tuple[Path, int]) -> UserError:
    """Return the error for a file of pictures and one of labels, each with its count, that do not match."""
    return UserError(
        f"{task_id}: {pictures[0]} holds {pictures[1]} pictures, but {labels[0]} {labels[1]} labels; "
        "replace the one that is not whole"
    )
