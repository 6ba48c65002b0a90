"""Data sets and backbones by entries as they stand in the configuration."""

from pathlib import Path
from typing import Any

from checkouts import ROOT
from metaprobe.config.backbones import parse_backbone
from metaprobe.config.datasets import Entry, parse_entry
from metaprobe.config.reading import read_strictly
from metaprobe.config.sources import Source
from metaprobe.data import dataset as datasets
from metaprobe.data import readers
from metaprobe.data.readers import Dataset
from metaprobe.data.trees import tree_of

Written = dict[str, Any]
WRITTEN_BACKBONES: Written = read_strictly(ROOT / "config/backbones.yaml")["backbones"]
BACKBONES = {name: parse_backbone(one) for name, one in WRITTEN_BACKBONES.items()}
WIDTHS = {"ResNet18": 512, "EfficientNetB0": 1280, "MobileNetV2": 1280}


def weights_of(architecture: str) -> Any:
    """The published weights of a backbone of the table."""
    from torchvision.models import get_weight

    return get_weight(WRITTEN_BACKBONES[architecture]["weights"])


def ready(architecture: str, seed: int = 0) -> Any:
    """A backbone of the table with random weights, ready to run."""
    from metaprobe.features.backbones import prepare

    backbone = BACKBONES[architecture]
    return prepare(backbone, weights="random", seed=seed, receipt=None, folder=Path())


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
