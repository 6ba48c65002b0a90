"""Reader of FER2013's csv files: with test labels, or the training file alone as one pool."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from workflow.metaprobe.errors import UserError
from workflow.metaprobe.readers import Dataset, Entry, Pool

CLASS_NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SIDE = 48


def read(task_id: str, entry: Entry, data: Path) -> Dataset:
    """`fer2013.csv` or `icml_face_data.csv`: official parts (public and private test joined).

    With `train.csv` alone, whose companion `test.csv` has no labels, its pictures are one pool.
    """
    root = data / "fer2013"
    for file in (root / "fer2013.csv", root / "icml_face_data.csv"):
        if file.is_file():
            table = _table(file)
            in_training = table["Usage"] == "Training"
            parts = {"train": table[in_training], "test": table[~in_training]}
            return Dataset(CLASS_NAMES, {part: _pool(rows) for part, rows in parts.items()})
    if (file := root / "train.csv").is_file():
        return Dataset(CLASS_NAMES, {"pool": _pool(_table(file))})
    raise UserError(
        f"{task_id}: {root} has neither fer2013.csv nor icml_face_data.csv nor train.csv"
    )


def _table(file: Path) -> pd.DataFrame:
    table = pd.read_csv(file, skipinitialspace=True)
    if missing := {"emotion", "pixels"} - set(table.columns):
        raise UserError(f"{file} has no column {min(missing)}")
    return table


def _pool(rows: pd.DataFrame) -> Pool:
    pixels = rows["pixels"].to_numpy()

    def image(index: int) -> Image.Image:
        values = np.array(pixels[index].split(), dtype=np.uint8)
        return Image.fromarray(values.reshape(SIDE, SIDE))

    return Pool(rows["emotion"].to_numpy(dtype=np.int64), image)
