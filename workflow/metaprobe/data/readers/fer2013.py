"""Reader of FER2013's csv files: with test labels, or the training file alone as one pool."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from metaprobe.core.errors import UserError
from metaprobe.config.datasets import (FER2013)
from metaprobe.data.readers import Dataset, Pool, damaged_file

CLASS_NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SIDE = 48
TEST_PARTS = ["PublicTest", "PrivateTest"]
WITH_TEST_LABELS = ("fer2013.csv", "icml_face_data.csv")
WITHOUT = "train.csv"


def read(task_id: str, entry: FER2013, data: Path) -> Dataset:
    """Return the pictures of `fer2013.csv` or `icml_face_data.csv`: official parts (public and private test joined).

    They lie in `fer2013/` or `FER2013/`. With `train.csv` alone, whose companion `test.csv` has no
    labels, its pictures are one pool.

    Raises:
        UserError: no such file is there, or it is damaged.
    """
    roots = (data / "fer2013", data / "FER2013")
    for file in (root / name for root in roots for name in WITH_TEST_LABELS):
        if file.is_file():
            table = _table(task_id, file, ["emotion", "pixels", "Usage"])
            usage = table["Usage"]
            if strange := set(usage) - {"Training", *TEST_PARTS}:
                raise damaged_file(task_id, file, f"no part is called {min(strange, key=str)}")
            parts = {"train": table[usage == "Training"], "test": table[usage.isin(TEST_PARTS)]}
            return Dataset(CLASS_NAMES, {split: _pool(rows, file) for split, rows in parts.items()})
    for file in (root / WITHOUT for root in roots):
        if file.is_file():
            table = _table(task_id, file, ["emotion", "pixels"])
            return Dataset(CLASS_NAMES, {"pool": _pool(table, file)})
    raise UserError(
        f"{task_id}: {roots[0]} has neither fer2013.csv nor icml_face_data.csv nor train.csv; "
        "put one of them there, or Kaggle's folders train/angry/ ... and test/angry/ ..."
    )


def _table(task_id: str, file: Path, columns: list[str]) -> pd.DataFrame:
    """Return the columns, of which every row is known to be whole."""
    try:
        table = pd.read_csv(file, skipinitialspace=True, usecols=columns)
        table["emotion"] = table["emotion"].astype(np.int64)
    except ValueError as error:
        raise damaged_file(task_id, file, error) from error
    broken = np.flatnonzero(table["pixels"].str.count(" ") != SIDE * SIDE - 1)
    if len(broken):
        raise damaged_file(task_id, file, f"row {broken[0] + 2} has not {SIDE * SIDE} pixels")
    return table


def _pool(rows: pd.DataFrame, file: Path) -> Pool:
    pixels = rows["pixels"].to_numpy(dtype=object)

    def image(index: int) -> Image.Image:
        values = np.array(pixels[index].split(), dtype=np.uint8)
        return Image.fromarray(values.reshape(SIDE, SIDE))

    return Pool(rows["emotion"].to_numpy(), image, labels_in=str(file))
