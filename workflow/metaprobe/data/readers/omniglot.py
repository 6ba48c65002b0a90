"""Reader of Omniglot: background characters, drawers 1-16 for training and 17-20 for testing.

torchvision's class numbers characters in the order the file system lists them, which differs
between machines, and its two parts share no class.
"""

from pathlib import Path

import numpy as np

from metaprobe.core.errors import UserError
from metaprobe.data.transforms import open_image
from metaprobe.config.datasets import (Omniglot)
from metaprobe.data.inventory import is_hidden
from metaprobe.data.readers import Dataset, Pool, damaged_file

TRAINING_DRAWERS = 16


def read(task_id: str, entry: Omniglot, data: Path) -> Dataset:
    """List `omniglot-py/images_background/<alphabet>/<character>/<number>_<drawer>.png`."""
    root = data / "omniglot-py" / "images_background"
    files = sorted(
        file
        for file in root.glob("*/character*/*.png")
        if not any(map(is_hidden, file.relative_to(root).parts))
    )
    if not files:
        raise UserError(
            f"{task_id}: {root} holds no pictures; unpack images_background.zip in {root.parent}"
        )
    characters = [file.parent.relative_to(root).as_posix() for file in files]
    class_names = sorted(set(characters))
    numbers = {name: number for number, name in enumerate(class_names)}
    for_training = np.array([_drawer(task_id, file) <= TRAINING_DRAWERS for file in files])

    def pool(chosen: list[int]) -> Pool:
        return Pool(
            np.array([numbers[characters[i]] for i in chosen], dtype=np.int64),
            lambda index: open_image(files[chosen[index]]),
            [files[i].relative_to(root).as_posix() for i in chosen],
        )

    parts = {"train": for_training, "test": ~for_training}
    return Dataset(class_names, {s: pool(np.flatnonzero(p).tolist()) for s, p in parts.items()})


def _drawer(task_id: str, file: Path) -> int:
    number = file.stem.rpartition("_")[2]
    if not number.isdecimal():
        raise damaged_file(task_id, file, "its name does not end with the number of a drawer")
    return int(number)
