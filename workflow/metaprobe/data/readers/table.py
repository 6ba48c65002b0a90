"""Reader of a folder of pictures with a csv file that names the class of each, as Meta-Album's are."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from metaprobe.config.datasets import (Table)
from metaprobe.config.places import leads_outside
from metaprobe.core.errors import UserError
from metaprobe.data.readers import Dataset, Pool, damaged_file
from metaprobe.data.transforms import open_image


def read(task_id: str, entry: Table, data: Path) -> Dataset:
    """Return the pictures that `<path>/<table>` names, in its order, as one pool.

    Classes are sorted by name. A picture that is named twice counts once. With `partial`, pictures
    that are not there are left out.

    Raises:
        UserError: there is no such table, it is damaged, or pictures are missing.
    """
    root = _root(task_id, entry, data / Path(entry.path or task_id).expanduser())
    file = root / entry.table
    names, words = _rows(task_id, entry, file)
    folder = root / entry.images_folder
    there = _there(task_id, entry, folder, names)
    names = [name for name, is_there in zip(names, there, strict=True) if is_there]
    class_names, labels = np.unique(np.array(words)[there], return_inverse=True)

    def image(index: int) -> Image.Image:
        return open_image(folder / names[index])

    pool = Pool(labels.astype(np.int64), image, names, labels_in=str(file))
    return Dataset(class_names.tolist(), {"pool": pool})


def _root(task_id: str, entry: Table, folder: Path) -> Path:
    """Return the folder of the table: `folder` or its only subfolder that has one."""
    inner = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [root for root in (folder, *inner) if (root / entry.table).is_file()]
    if found[:1] == [folder] or len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            f"{task_id}: {len(found)} folders in {folder} hold a {entry.table}; name one of them as path"
        )
    raise UserError(f"{task_id}: {folder / entry.table} is missing; put it there")


def _rows(task_id: str, entry: Table, file: Path) -> tuple[list[str], list[str]]:
    """Return the names of the pictures, each once, and their classes."""
    columns = [entry.image_column, entry.label_column]
    try:
        table = pd.read_csv(
            file, usecols=columns, dtype=str, keep_default_na=False, skipinitialspace=True
        )
    except (ValueError, OSError) as error:
        raise damaged_file(task_id, file, error) from error
    table = table.drop_duplicates()
    names = [name + entry.suffix for name in table[entry.image_column]]
    if table[entry.image_column].duplicated().any():
        twice = names[int(np.argmax(table[entry.image_column].duplicated()))]
        raise damaged_file(task_id, file, f"it has {twice} in two classes")
    if strange := [name for name in names if leads_outside(name)]:
        raise damaged_file(task_id, file, f"{strange[0]!r} leads out of the folder")
    return names, table[entry.label_column].tolist()


def _there(task_id: str, entry: Table, folder: Path, names: list[str]) -> list[bool]:
    """Return which pictures are there; folders are listed, as files of network disks are slow to ask for."""
    inner = {os.path.dirname(name) for name in names}
    listed = {
        os.path.join(one, file)
        for one in inner
        if (folder / one).is_dir()
        for file in os.listdir(folder / one)
    }
    there = [name in listed for name in names]
    if not all(there) and not entry.partial:
        raise UserError(
            f"{task_id}: {there.count(False)} of {len(names)} pictures are missing, the first is "
            f"{folder / names[there.index(False)]}; complete them, or write partial: true in "
            "datasets.yaml to work without them"
        )
    return there
