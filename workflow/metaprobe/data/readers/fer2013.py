"""Reader of FER2013's csv files: with test labels, or the training file alone as one pool."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from metaprobe.core.errors import UserError
from metaprobe.data.readers import Dataset, Entry, Pool, damaged_file

CLASS_NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SIDE = 48
TEST_PARTS = ["PublicTest", "PrivateTest"]


def read(task_id: str, entry: Entry, data: Path) -> Dataset:
    """Return the pictures of `fer2013.csv` or `icml_face_data.csv`: official parts (public and private test joined).

    With `train.csv` alone, whose companion `test.csv` has no labels, its pictures are one pool.

    Raises:
        UserError: no such file is there, or it is damaged.
    """
    root = data / "fer2013"
    for file in (root / "fer2013.csv", root / "icml_face_data.csv"):
        if file.is_file():
            table = _table(task_id, file, ["emotion", "pixels", "Usage"])
            usage = table["Usage"]
            if strange := set(usage) - {"Training", *TEST_PARTS}:
                raise damaged_file(task_id, file, f"no part is called {min(strange, key=str)}")
            parts = {"train": table[usage == "Training"], "test": table[usage.isin(TEST_PARTS)]}
            return Dataset(CLASS_NAMES, {split: _pool(rows) for split, rows in parts.items()})
    if (file := root / "train.csv").is_file():
        return Dataset(CLASS_NAMES, {"pool": _pool(_table(task_id, file, ["emotion", "pixels"]))})
    raise UserError(
        f"{task_id}: {root} has neither fer2013.csv nor icml_face_data.csv nor train.csv; "
        "put one of them there"
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


def _pool(rows: pd.DataFrame) -> Pool:
    pixels = rows["pixels"].to_numpy(dtype=object)

    def image(index: int) -> Image.Image:
        values = np.array(pixels[index].split(), dtype=np.uint8)
        return Image.fromarray(values.reshape(SIDE, SIDE))

    return Pool(rows["emotion"].to_numpy(), image)
