"""Reader of image-classification data sets of the Hugging Face Hub, through the package `datasets`."""

from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.core.errors import UserError
from metaprobe.config.datasets import HuggingFace
from metaprobe.data.readers import Dataset, Pool, numbered_classes, optional_package


def read(task_id: str, entry: HuggingFace, data: Path) -> Dataset:
    """Return the revision `revision` of the data set `path`, cached in `huggingface` below the data folder.

    Its splits named by `train` and `test` (by default so called), or the one named by `pool`. The
    first reading downloads it.
    """
    hub = optional_package(task_id, "datasets")
    names = (
        {"train": entry.train, "test": entry.test} if entry.pool is None else {"pool": entry.pool}
    )
    tables = {split: _load(task_id, hub, entry, data, name) for split, name in names.items()}
    labels = {split: _column(task_id, table, entry) for split, table in tables.items()}
    class_names = _class_names(next(iter(tables.values())), labels, entry)
    pools = {
        split: _pool(task_id, table, labels[split], class_names, entry)
        for split, table in tables.items()
    }
    return Dataset(class_names, pools)


def _load(task_id: str, hub: Any, entry: HuggingFace, data: Path, split: str) -> Any:
    try:
        return hub.load_dataset(
            entry.path,
            entry.config_name,
            split=split,
            revision=entry.revision,
            cache_dir=str(data / "huggingface"),
        )
    except Exception as error:  # of the network, the Hub, and each file format
        raise UserError(
            f"{task_id}: the split {split} of {entry.path} at revision {entry.revision} cannot "
            f"be loaded ({type(error).__name__}: {error}); correct the entry in datasets.yaml, or "
            "repair the connection and start again"
        ) from error


def _column(task_id: str, table: Any, entry: HuggingFace) -> list[Any]:
    """Return the labels as they are stored; no picture is decoded."""
    columns = {"image_column": entry.image_column, "label_column": entry.label_column}
    for key, column in columns.items():
        if column not in table.column_names:
            raise UserError(
                f"{task_id}: {entry.path} has no column {column}, only "
                f"{', '.join(table.column_names)}; correct {key} in datasets.yaml"
            )
    return list(table[entry.label_column][:])


def _class_names(table: Any, labels: dict[str, list[Any]], entry: HuggingFace) -> list[str]:
    """Return the names stored with the column, or the words that stand in it, sorted, or numbers."""
    stored = getattr(table.features[entry.label_column], "names", None)
    if stored is not None:
        return list(stored)
    words = {label for column in labels.values() for label in column}
    if all(isinstance(word, str) for word in words):
        return sorted(words)
    return numbered_classes(entry.classes)


def _pool(
    task_id: str, table: Any, labels: list[Any], class_names: list[str], entry: HuggingFace
) -> Pool:
    column = entry.image_column
    pictures = table.select_columns([column])
    numbers = {name: number for number, name in enumerate(class_names)}
    first = entry.first_label
    try:
        values = [numbers[v] if isinstance(v, str) else int(v) - first for v in labels]
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{task_id}: the labels of {entry.path} are not all numbers or words ({error}); "
            "name another column by label_column in datasets.yaml"
        ) from error
    return Pool(np.array(values, dtype=np.int64), lambda index: pictures[index][column])
