"""Reader of CLEVR's pictures: how near the nearest object is, in six classes, as VTAB divides it."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from metaprobe.config.datasets import (CLEVRDistance)
from metaprobe.core.errors import UserError
from metaprobe.data.readers import Dataset, Pool, damaged_file, missing_file
from metaprobe.data.transforms import open_image

PARTS = {"train": "train", "test": "val"}  # the official test part has no scenes
EDGES = [0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0]  # of task_adaptation's closest_object_distance
CLASS_NAMES = [f"{near:g} to {far:g}" for near, far in pairwise(EDGES)]


def read(task_id: str, entry: CLEVRDistance, data: Path) -> Dataset:
    """Return the pictures of `clevr/CLEVR_v1.0/images/{train,val}`, in the order of their names.

    With `partial`, pictures that are not there are left out.

    The distance is the third of an object's `pixel_coords` in `scenes/CLEVR_{train,val}_scenes.json`.

    Raises:
        UserError: a file is missing, or the scenes are damaged.
    """
    root = data / "clevr" / "CLEVR_v1.0"
    pools = {split: _pool(task_id, entry, root, part) for split, part in PARTS.items()}
    return Dataset(CLASS_NAMES, pools)


def _pool(task_id: str, entry: CLEVRDistance, root: Path, part: str) -> Pool:
    file = root / "scenes" / f"CLEVR_{part}_scenes.json"
    if not file.is_file():
        raise missing_file(task_id, file)
    try:
        scenes = json.loads(file.read_text(encoding="utf-8"))["scenes"]
        nearest = {
            str(scene["image_filename"]): min(one["pixel_coords"][2] for one in scene["objects"])
            for scene in scenes
        }
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise damaged_file(task_id, file, error) from error
    names = sorted(nearest)
    folder = root / "images" / part
    listed = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    missing = [name for name in names if name not in listed]
    if missing and not entry.partial:
        raise UserError(
            f"{task_id}: {len(missing)} of {len(names)} pictures are missing, the first is "
            f"{folder / missing[0]}; complete them, or write partial: true in datasets.yaml to work "
            "without them"
        )
    names = [name for name in names if name in listed]
    labels = np.searchsorted(EDGES, [nearest[name] for name in names]) - 1

    def image(index: int) -> Image.Image:
        return open_image(folder / names[index])

    return Pool(labels.astype(np.int64), image, names, labels_in=str(file))
