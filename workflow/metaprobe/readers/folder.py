"""Reader of class-per-folder trees: `train/` and `test/`, or one pool to be split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workflow.metaprobe.errors import UserError
from workflow.metaprobe.images import open_image
from workflow.metaprobe.readers import Dataset, Entry, Pool

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif"}


def read(task_id: str, entry: Entry, data: Path) -> Dataset:
    """List the pictures below `<path>/{train,test}/<class>/`, or below `<path>/<class>/`.

    Classes and pictures are sorted by name, so that every machine numbers them alike. Files that
    are not pictures by their suffix, and hidden files, are passed over.

    Raises:
        UserError: the folder is missing or holds no pictures, or the test part has a class that
            the training part has not.
    """
    root = data / Path(entry.get("path", task_id)).expanduser()
    if not root.is_dir():
        raise UserError(f"{task_id}: there is no folder {root}; put one folder per class there")
    train, test = (root / entry.get(part, part) for part in ("train", "test"))
    if "split" not in entry and train.is_dir() and test.is_dir():
        folders = {"train": train, "test": test}
    else:
        folders = {"pool": root}
    trees = {part: _pictures(folder, entry) for part, folder in folders.items()}
    class_names = sorted(next(iter(trees.values())))
    for part, folder in folders.items():
        if not trees[part]:
            raise UserError(f"{task_id}: {folder} holds no class folders with pictures")
        if strange := sorted(set(trees[part]) - set(class_names)):
            raise UserError(f"{task_id}: {folder / strange[0]} has no counterpart in {train}")
    pools = {part: _pool(folders[part], trees[part], class_names) for part in folders}
    return Dataset(class_names, pools)


def _pictures(root: Path, entry: Entry) -> dict[str, list[str]]:
    """Class → sorted picture names, for the classes that belong to the task."""
    omitted = set(entry.get("omit_classes", ()))
    folders = [f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")]
    tree = {
        folder.name: sorted(
            file.name
            for file in folder.iterdir()
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        )
        for folder in folders
        if folder.name not in omitted
    }
    fewest = entry.get("minimum_class_images", 1)
    return {name: files for name, files in tree.items() if len(files) >= fewest}


def _pool(root: Path, tree: dict[str, list[str]], class_names: Sequence[str]) -> Pool:
    names = [f"{name}/{file}" for name in class_names for file in tree.get(name, ())]
    counts = [len(tree.get(name, ())) for name in class_names]
    labels = np.repeat(np.arange(len(class_names), dtype=np.int64), counts)
    return Pool(labels, lambda index: open_image(root / names[index]), names)
