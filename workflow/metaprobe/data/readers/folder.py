"""Reader of class-per-folder trees: `train/` and `test/`, or one pool to be split."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from metaprobe.core.errors import UserError
from metaprobe.data.transforms import open_image
from metaprobe.config.datasets import Folder
from metaprobe.data.readers import Dataset, Pool

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif"}
Tree = dict[str, list[str]]


def read(task_id: str, entry: Folder, data: Path) -> Dataset:
    """List the pictures below `<path>/{train,test}/<class>/`, or below `<path>/<class>/`.

    Classes and pictures are sorted by name, so that every machine numbers them alike. Files that
    are not pictures by their suffix, hidden files, and class folders without pictures are passed
    over; class folders may be symbolic links.
    """
    root = data / Path(entry.path or task_id).expanduser()
    folders = _parts(root, entry)
    for folder in (root, *folders.values()):
        if not folder.is_dir():
            raise UserError(
                f"{task_id}: there is no folder {folder}; put one folder per class there"
            )
    trees = {split: _tree(folder, entry) for split, folder in folders.items()}
    totals = Counter(name for tree in trees.values() for name in tree for _ in tree[name])
    empty = sorted({name for tree in trees.values() for name in tree} - set(totals))
    fewest = entry.minimum_class_images
    for split, tree in trees.items():
        trees[split] = {name: tree[name] for name in tree if tree[name] and totals[name] >= fewest}
        if not trees[split]:
            raise _no_classes(task_id, folders[split], fewest)
    class_names = sorted(next(iter(trees.values())))
    for split, tree in trees.items():
        _check_names(task_id, folders[split], tree)
        if strange := sorted(set(tree) - set(class_names)):
            raise UserError(
                f"{task_id}: {folders[split] / strange[0]} has no counterpart in "
                f"{folders['train']}; complete the training pictures, or remove that class"
            )
    pools = {split: _pool(folders[split], trees[split], class_names) for split in folders}
    return Dataset(class_names, pools, empty)


def holds_tree(root: Path) -> bool:
    """Return whether pictures lie in `<root>/<class>/`, `<root>/train/<class>/` or `<root>/test/<class>/`."""
    return any(map(_holds_classes, (root, root / "train", root / "test")))


def _parts(root: Path, entry: Folder) -> dict[str, Path]:
    """Return split → its folder. A folder `train` with pictures of its own is a class, such as of vehicles."""
    folders = {"train": root / entry.train, "test": root / entry.test}
    there = [folder.is_dir() for folder in folders.values()]
    if entry.split is None and (all(there) or any(map(_holds_classes, folders.values()))):
        return folders
    return {"pool": root}


def _holds_classes(folder: Path) -> bool:
    return any(next(_pictures(inner), None) for inner in _subfolders(folder))


def _subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, hidden ones left out; none if it is no folder."""
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _pictures(folder: Path) -> Iterator[str]:
    """Return names of the pictures in a folder, in no order."""
    with os.scandir(folder) as files:
        for file in files:
            suffix = os.path.splitext(file.name)[1].lower()
            if suffix in SUFFIXES and not file.name.startswith(".") and not file.is_dir():
                yield file.name


def _tree(root: Path, entry: Folder) -> Tree:
    """Return class → sorted picture names, for the folders that belong to the task."""
    folders = (f for f in _subfolders(root) if f.name not in entry.omit_classes)
    return {f.name: sorted(_pictures(f)) for f in folders}


def _pool(root: Path, tree: Tree, class_names: Sequence[str]) -> Pool:
    names = [f"{name}/{file}" for name in class_names for file in tree.get(name, ())]
    counts = [len(tree.get(name, ())) for name in class_names]
    labels = np.repeat(np.arange(len(class_names), dtype=np.int64), counts)
    return Pool(labels, lambda index: open_image(root / names[index]), names)


def _no_classes(task_id: str, folder: Path, fewest: int) -> UserError:
    """Return the error for a folder in which no class folder holds pictures, with the likely reason."""
    deeper = [inner for inner in _subfolders(folder) if holds_tree(inner)]
    if deeper:
        advice = f"they lie one level too deep: move what is in {deeper[0]} to {folder}"
    elif next(_pictures(folder), None):
        advice = "the pictures lie directly in it: put them into one folder per class"
    elif _holds_classes(folder):
        advice = f"none has {fewest} of them: complete them, or correct minimum_class_images"
    else:
        advice = "put one folder per class there"
    return UserError(f"{task_id}: {folder} holds no class folders with pictures; {advice}")


def _check_names(task_id: str, folder: Path, tree: Tree) -> None:
    """See that all names can be written down; those of old archives sometimes cannot."""
    for name, files in tree.items():
        try:
            "/".join([name, *files]).encode()
        except UnicodeEncodeError:
            shown = name.encode(errors="replace").decode()
            raise UserError(
                f"{task_id}: {folder}: the name of the folder {shown}, or of a picture in it, is "
                "not UTF-8; rename it"
            ) from None
