"""Reader of class-per-folder trees: `train/` and `test/`, or one pool to be split."""

import importlib.util
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from metaprobe.core.errors import UserError
from metaprobe.config.datasets import (Folder)
from metaprobe.data.inventory import is_hidden
from metaprobe.data.transforms import open_image
from metaprobe.data.readers import Dataset, Pool

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif"}
# Those that depend on how Pillow was built, or on the package pillow-heif.
SOMETIMES = {".jfif", ".avif", ".jp2", ".j2k", ".heic", ".heif"}
VALIDATION = ("val", "valid", "validation")
EXIF_ORIENTATION = 0x0112
Tree = dict[str, list[str]]


def read(task_id: str, entry: Folder, data: Path) -> Dataset:
    """List the pictures below `<path>/{train,test}/<class>/`, or below `<path>/<class>/`.

    Where the test part has no class folders, one called `val` is taken for it, and the data set says
    so. Classes and pictures are sorted by name, so that every machine numbers them alike. Hidden
    files and class folders without pictures are passed over, and so are files that are no pictures
    by their suffix, which the data set names; class folders may be symbolic links.
    """
    root = data / Path(entry.path or task_id).expanduser()
    folders = _parts(root, entry)
    passed_over: list[str] = []
    for folder in (root, *folders.values()):
        if not folder.is_dir():
            raise UserError(
                f"{task_id}: there is no folder {folder}; put one folder per class there"
            )
    trees = {split: _tree(folder, entry, passed_over) for split, folder in folders.items()}
    totals = Counter(name for tree in trees.values() for name in tree for _ in tree[name])
    empty = sorted({name for tree in trees.values() for name in tree} - set(totals))
    fewest = entry.minimum_class_images
    for split, tree in trees.items():
        trees[split] = {name: tree[name] for name in tree if tree[name] and totals[name] >= fewest}
        if not trees[split]:
            raise _no_classes(task_id, folders[split], entry)
    class_names = sorted(next(iter(trees.values())))
    for split, tree in trees.items():
        _check_names(task_id, folders[split], tree)
        if strange := sorted(set(tree) - set(class_names)):
            raise UserError(
                f"{task_id}: {folders[split] / strange[0]} has no counterpart in "
                f"{folders['train']}; complete the training pictures, or remove that class"
            )
    pools = {
        split: _pool(folders[split], trees[split], class_names, entry.upright) for split in folders
    }
    test = folders.get("test", root / entry.test).name
    return Dataset(
        class_names,
        pools,
        empty,
        passed_over,
        layout="" if test == Path(entry.test).name else f"test: {test}",
    )


def folders_of(task_id: str, entry: Folder, data: Path) -> dict[str, Path]:
    """Return pool → the folder that the names of its pictures are relative to."""
    return _parts(data / Path(entry.path or task_id).expanduser(), entry)


def holds_tree(root: Path) -> bool:
    """Return whether pictures lie in `<root>/<class>/`, `<root>/train/<class>/` or `<root>/test/<class>/`."""
    return any(map(_holds_classes, (root, root / "train", root / "test")))


def _parts(root: Path, entry: Folder) -> dict[str, Path]:
    """Return split → its folder. A folder `train` with pictures of its own is a class, such as of vehicles."""
    if entry.split is not None:
        return {"pool": root}
    train, test = root / entry.train, root / entry.test
    by_default = entry.test == Folder.model_fields["test"].default
    if by_default and _holds_classes(train) and not _holds_classes(test):
        others = (root / name for name in VALIDATION if _holds_classes(root / name))
        test = next(others, test)
    if (train.is_dir() and test.is_dir()) or _holds_classes(train) or _holds_classes(test):
        return {"train": train, "test": test}
    return {"pool": root}


def _holds_classes(folder: Path) -> bool:
    return any(next(_pictures(inner), None) for inner in _subfolders(folder))


def _subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, hidden ones left out; none if it is no folder."""
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.iterdir() if f.is_dir() and not is_hidden(f.name))


def _pictures(folder: Path, passed_over: list[str] | None = None) -> Iterator[str]:
    """Yield names of the pictures in a folder, in no order; note other files in `passed_over`."""
    with os.scandir(folder) as files:
        for file in files:
            if is_hidden(file.name) or file.is_dir():
                continue
            if _is_readable(os.path.splitext(file.name)[1].lower()):
                yield file.name
            elif passed_over is not None:
                passed_over.append(f"{folder.name}/{file.name}")


def _is_readable(suffix: str) -> bool:
    """Return whether Pillow, as it is here, opens pictures of that suffix."""
    return suffix in SUFFIXES or (suffix in SOMETIMES and suffix in _openers())


@cache
def _openers() -> set[str]:
    """Return the suffixes that Pillow, as it is here, opens."""
    if importlib.util.find_spec("pillow_heif"):
        importlib.import_module("pillow_heif").register_heif_opener()
    known = Image.registered_extensions()
    return {suffix for suffix, name in known.items() if name in Image.OPEN}


def _tree(root: Path, entry: Folder, passed_over: list[str]) -> Tree:
    """Return class → sorted picture names, for the folders that belong to the task."""
    folders = [f for f in _subfolders(root) if f.name not in entry.omit_classes]
    tree = {f.name: sorted(_pictures(f, passed_over)) for f in folders}
    passed_over.sort()
    return tree


def _pool(root: Path, tree: Tree, class_names: Sequence[str], upright: bool) -> Pool:
    names = [f"{name}/{file}" for name in class_names for file in tree.get(name, ())]
    counts = [len(tree.get(name, ())) for name in class_names]
    labels = np.repeat(np.arange(len(class_names), dtype=np.int64), counts)

    def image(index: int) -> Image.Image:
        picture = open_image(root / names[index])
        return turned(picture) if upright else picture

    return Pool(labels, image, names)


def turned(picture: Image.Image) -> Image.Image:
    """Return a picture as its camera was held, as its EXIF orientation tells."""
    if picture.getexif().get(EXIF_ORIENTATION, 1) == 1:
        return picture
    return ImageOps.exif_transpose(picture)


def _no_classes(task_id: str, folder: Path, entry: Folder) -> UserError:
    """Return the error for a folder in which no class folder holds pictures, with the likely reason."""
    fewest = entry.minimum_class_images
    deeper = [inner for inner in _subfolders(folder) if holds_tree(inner)]
    parts = [f.name for f in deeper if f.name in (entry.train, entry.test, *VALIDATION)]
    if parts and entry.split is not None:
        advice = (
            f"it is divided already ({', '.join(parts)}): leave out split in datasets.yaml to use "
            f"these parts, or put all class folders directly into {folder}"
        )
    elif len(deeper) > 1:
        advice = (
            f"they lie one level deeper, in {', '.join(f.name for f in deeper)}: if those are its "
            "parts, name two of them as train and test in datasets.yaml; if not, move the class "
            f"folders to {folder}"
        )
    elif deeper:
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
