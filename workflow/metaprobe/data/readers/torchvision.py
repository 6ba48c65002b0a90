"""Reader of any torchvision classification data set, built from its entry alone."""

import inspect
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metaprobe.core.errors import UserError
from metaprobe.config.datasets import (Arguments, Torchvision)
from metaprobe.data.inventory import is_hidden
from metaprobe.data.readers import Dataset, Pool, missing_package, numbered_classes

UNPICKLING = ("LSUN", "LSUNClass")  # they run what a file beside the data says, unchecked
# Their classes number the training folders that are there, so that in a part of the data labels mean
# other classes than in the test list, which has the numbers that the folders bear.
NUMBERED_FOLDERS = (("GTSRB", "train"),)
UNSORTED = (
    "SUN397",
)  # they list pictures in the order of the disk, which is another on each machine
LISTS_OF_FILES = ("_image_files", "_images", "_samples", "samples", "imgs")


def read(task_id: str, entry: Torchvision, data: Path) -> Dataset:
    """Build `torchvision.datasets.<class>` once per part; several argument sets are joined.

    Pictures that the class lists but that are not there are an error, or, with `partial`, left
    out; hidden files that it takes for pictures are left out.
    """
    pools: dict[str, Pool] = {}
    class_lists = set()
    for split in ("train", "test", "pool"):
        if sets := getattr(entry, split):
            built = [build(task_id, entry.class_name, data, arguments) for arguments in sets]
            pools[split] = _join([_pool(task_id, one, entry, data) for one in built])
            class_lists |= {
                tuple(map(str, one.classes)) for one in built if hasattr(one, "classes")
            }
    if len(class_lists) > 1:
        raise UserError(
            f"{task_id}: the lists of its parts below {data} name different classes, so that their "
            "labels do not mean the same; restore the lists"
        )
    class_names = numbered_classes(entry.classes)
    if class_lists:
        named = class_lists.pop()[entry.first_label :]
        class_names = list(named) if len(named) == len(class_names) else class_names
    return Dataset(class_names, pools)


def build(task_id: str, class_name: str, data: Path, arguments: Arguments) -> Any:
    """Return the torchvision data set of that class and those arguments below the folder `data`.

    Raises:
        UserError: there is no such class, a package is missing, or the class cannot read its files.
    """
    from torchvision import datasets

    if class_name in UNPICKLING:
        raise UserError(
            f"{task_id}: {class_name} reads a pickle that nobody has checked, which could run any "
            "code; bring its pictures as a folder tree, kind: folder"
        )
    data_class = getattr(datasets, class_name, None)
    if data_class is None:
        raise UserError(f"{task_id}: torchvision.datasets has no class {class_name}")
    try:
        inspect.signature(data_class).bind(str(data), **arguments)
    except TypeError as error:
        raise UserError(
            f"{task_id}: torchvision's {class_name} does not take {arguments} ({error}); correct "
            "train, test or pool in datasets.yaml"
        ) from None
    try:
        return data_class(str(data), **arguments)
    except ImportError as error:
        raise missing_package(task_id, error.name or str(error)) from error
    except Exception as error:  # a damaged file can make its parser raise anything
        reason = str(error).partition("\n")[0].partition("You can use download=True")[0]
        where = (
            _file_in_hand(error, data) or _file_at_fault(error, data) or f"its files below {data}"
        )
        raise UserError(
            f"{task_id}: torchvision's {class_name}({arguments}) cannot read {where} "
            f"({type(error).__name__}: {reason.strip()}); replace what is missing or damaged"
        ) from error


def _file_in_hand(error: Exception, data: Path) -> str | None:
    """Return the file below `data` that the code which raised `error` was busy with.

    torchvision's parsers name no file in their errors, so it is looked for among their variables.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    values = [value for frame in reversed(frames) for value in frame.f_locals.values()]
    paths = [str(value) for value in values if isinstance(value, (str, Path))]
    below = [path for path in paths if path.startswith(f"{data}{os.sep}")]
    return next(filter(os.path.isfile, below), None)


def _file_at_fault(error: Exception, data: Path) -> str | None:
    """Return the file that made torchvision say no more than `Dataset not found or corrupted`.

    It is one that the object under construction lists with another digest, or names and lacks.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    made = next((f.f_locals["self"] for f in reversed(frames) if "self" in f.f_locals), None)
    if made is None:
        return None
    from torchvision.datasets import utils

    for file, md5 in _listed(made, data):
        if not utils.check_integrity(file, md5):
            return file
    paths = [str(value) for value in vars(made).values() if isinstance(value, (str, Path))]
    below = [path for path in paths if path.startswith(f"{data}{os.sep}")]
    return next((path for path in below if not os.path.exists(path)), None)


def _listed(made: Any, data: Path) -> Iterator[tuple[str, str]]:
    """Yield path and MD5 of the files that a torchvision object checks when it is made."""
    folder = data / getattr(made, "_base_folder", getattr(made, "base_folder", ""))
    listed = [*getattr(made, "train_list", ()), *getattr(made, "test_list", ())]
    listed += [getattr(made, "split_list", {}).get(getattr(made, "split", ""), ())]  # SVHN
    listed += [
        pair for key, pair in getattr(made, "_file_dict", {}).items() if key != "image"
    ]  # Flowers102, whose archive need not stay
    meta = getattr(made, "meta", None) or {}
    listed += [(meta["filename"], meta["md5"])] if "filename" in meta else []
    yield from ((str(folder / name), md5) for *_, name, md5 in filter(None, listed))


def _labels_in(dataset: Any) -> str:
    """Return the file of the labels, where torchvision tells or it is one of MNIST's kin."""
    from torchvision.datasets import MNIST

    if not isinstance(dataset, MNIST):
        return ""
    if hasattr(dataset, "labels_file"):  # EMNIST
        return str(dataset.labels_file)
    stem = getattr(dataset, "what", "") or ("train" if dataset.train else "t10k")
    found = sorted(Path(dataset.raw_folder).glob(f"*{stem}*-labels-*"))
    return next((str(file) for file in found if not is_hidden(file.name)), "")


def _pool(task_id: str, dataset: Any, entry: Torchvision, data: Path) -> Pool:
    files = _files(dataset)
    kept = _usable(task_id, files, entry) if files else np.arange(len(dataset))
    if entry.class_name in UNSORTED:
        kept = np.array(sorted(kept, key=files.__getitem__), dtype=np.int64)
    labels = _labels(task_id, dataset, entry)
    if len(labels) != len(dataset):
        raise UserError(
            f"{task_id}: {len(dataset)} pictures but {len(labels)} labels below {data}; replace the "
            "files that do not belong together"
        )

    names = [os.path.relpath(files[i], data) for i in kept] if files else []
    return Pool(
        labels[kept], lambda index: dataset[int(kept[index])][0], names, _labels_in(dataset)
    )


def _labels(task_id: str, dataset: Any, entry: Torchvision) -> NDArray[np.int64]:
    """Return labels from an attribute (numbers, rows that begin or pairs that end with the label).

    Without an attribute every item is decoded, which is slow but always right.
    """
    attribute, first = entry.labels, entry.first_label
    if (entry.class_name, getattr(dataset, "_split", "")) in NUMBERED_FOLDERS:
        numbers = [int(Path(file).parent.name) for file, _ in dataset._samples]
        return np.array(numbers, dtype=np.int64)
    if attribute is None:
        items = (dataset[index] for index in range(len(dataset)))
        return np.array([label for _, label in items], dtype=np.int64) - first
    if not hasattr(dataset, attribute):
        raise UserError(
            f"{task_id}: torchvision's {entry.class_name} has no attribute {attribute}; correct "
            "labels in datasets.yaml, or leave it out"
        )
    values = getattr(dataset, attribute)
    if isinstance(values, list) and values and isinstance(values[0], (tuple, list)):
        values = [pair[-1] for pair in values]
    try:
        labels: NDArray[np.int64] = np.asarray(values).astype(np.int64)
    except (TypeError, ValueError):
        raise UserError(
            f"{task_id}: {attribute} of torchvision's {entry.class_name} holds no class numbers; "
            "correct labels in datasets.yaml, or leave it out"
        ) from None
    if labels.ndim > 1:
        labels = labels[:, 0]
    return labels - first


def _files(dataset: Any) -> list[str]:
    """Return the picture files in the data set's order; none if the pictures are not files of their own."""
    for attribute in LISTS_OF_FILES:
        values = getattr(dataset, attribute, None) or []
        values = [value[0] if isinstance(value, tuple) else value for value in values]
        if values and isinstance(values[0], (str, Path)):
            return [os.fspath(value) for value in values]
    return []


def _usable(task_id: str, files: list[str], entry: Torchvision) -> NDArray[np.int64]:
    """Return indices of the files that are there, those of hidden ones left out.

    Folders are listed instead of asking for every file, which is slow on network disks.
    """
    folders = {os.path.dirname(file) for file in files}
    listed = {folder: set(os.listdir(folder)) for folder in folders if os.path.isdir(folder)}
    visible = [i for i, file in enumerate(files) if not is_hidden(os.path.basename(file))]
    there: list[int] = []
    missing: list[int] = []
    for index in visible:
        folder, name = os.path.split(files[index])
        (there if name in listed.get(folder, ()) else missing).append(index)
    if missing and not entry.partial:
        first = Path(files[missing[0]])
        advice = "complete them, or write partial: true in datasets.yaml to work without them"
        if (nested := first.parent / first.parent.name).is_dir():
            advice = f"they lie one level too deep: move what is in {nested} to {nested.parent}"
        raise UserError(
            f"{task_id}: {len(missing)} of {len(visible)} pictures are missing, the first is "
            f"{first}; {advice}"
        )
    return np.array(there, dtype=np.int64)


def _join(pools: list[Pool]) -> Pool:
    starts = np.cumsum([0] + [len(pool.labels) for pool in pools])

    def image(index: int) -> Image.Image:
        which = int(np.searchsorted(starts, index, side="right")) - 1
        return pools[which].image(index - int(starts[which]))

    names = [name for pool in pools for name in pool.names]
    labels = np.concatenate([pool.labels for pool in pools])
    return Pool(labels, image, names, pools[0].labels_in)
