"""Data sets opened by entries as they stand in datasets.yaml."""

from pathlib import Path
from typing import Any

from metaprobe.config.datasets import Entry, Source, parse_entry
from metaprobe.data import dataset as datasets
from metaprobe.data import readers
from metaprobe.data.readers import Dataset
from metaprobe.data.trees import tree_of

Written = dict[str, Any]


def typed(entry: Written) -> Entry:
    """Return an entry of two classes if it does not say how many."""
    return parse_entry({"classes": 2} | entry)


def typed_entries(entries: dict[str, Written]) -> dict[str, Entry]:
    return {name: typed(entry) for name, entry in entries.items()}


def typed_sources(sources: dict[str, Written]) -> dict[str, Source]:
    return {name: Source.model_validate(source) for name, source in sources.items()}


def open_dataset(task_id: str, entry: Written, data: Path) -> Dataset:
    return datasets.open_dataset(task_id, typed(entry), data)


def read(task_id: str, entry: Written, data: Path) -> Dataset:
    return readers.read(task_id, typed(entry), data)


def has_tree(task_id: str, entry: Written, data: Path) -> bool:
    return tree_of(task_id, typed(entry), data) is not None


def check(task_id: str, entry: Written, dataset: Dataset) -> None:
    datasets.check(task_id, typed(entry), dataset)


def draw_subset(task_id: str, entry: Written, dataset: Dataset, **options: Any) -> Written:
    return datasets.draw_subset(task_id, typed(entry), dataset, **options)
