"""Reader of image-classification data sets of the Hugging Face Hub, through the package `datasets`."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.core.errors import UserError
from metaprobe.config.datasets import (HuggingFace)
from metaprobe.data.readers import Dataset, Pool, numbered_classes, optional_package

# Queued jobs may have no internet; only `fetch` asks the Hub.
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def read(task_id: str, entry: HuggingFace, data: Path) -> Dataset:
    """Return the revision `revision` of the data set `path` from `huggingface` below the data folder.

    Its splits named by `train` and `test` (by default so called), or the one named by `pool`. The
    Hub is not asked: `fetch` has brought the files, or `path` is a local folder.
    """
    os.environ.update(OFFLINE)
    tables = _load(task_id, entry, data)
    labels = {split: _column(task_id, table, entry) for split, table in tables.items()}
    class_names = _class_names(next(iter(tables.values())), labels, entry)
    pools = {
        split: _pool(task_id, table, labels[split], class_names, entry)
        for split, table in tables.items()
    }
    return Dataset(class_names, pools)


def fetch(task_id: str, entry: HuggingFace, data: Path) -> dict[str, Any]:
    """Bring a data set from the Hub below the data folder; return the manifest.

    Raises:
        UserError: it cannot be fetched, or the package `datasets` is missing.
    """
    tables = _load(task_id, entry, data)
    images = {split: len(table) for split, table in tables.items()}
    return {"source": entry.path, "revision": entry.revision, "images": images}


def _load(task_id: str, entry: HuggingFace, data: Path) -> dict[str, Any]:
    """Return the table of each part."""
    hub = optional_package(task_id, "datasets")
    names = (
        {"train": entry.train, "test": entry.test} if entry.pool is None else {"pool": entry.pool}
    )
    local = entry.local_folder
    tables = {}
    for split, name in names.items():
        try:
            tables[split] = hub.load_dataset(
                entry.path if local is None else str(local),
                entry.config_name,
                split=name,
                revision=entry.revision if local is None else None,
                cache_dir=str(cache_folder(entry, data)),
            )
        except Exception as error:  # of the network, the Hub, and each file format
            raise UserError(
                f"{task_id}: the split {name} of {entry.path} at revision {entry.revision} cannot "
                f"be loaded ({type(error).__name__}: {error}); correct the entry in datasets.yaml, "
                "or repair the connection and start again"
            ) from error
    return tables


def cache_folder(entry: HuggingFace, data: Path) -> Path:
    """Return where a revision is kept; each apart, as without the Hub a cache does not tell them."""
    return data / "huggingface" / entry.revision


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
