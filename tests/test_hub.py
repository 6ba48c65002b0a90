"""Data sets of the Hugging Face Hub: brought by a local job, and read with the Hub switched off."""

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from checkouts import copy_workflow, planned, snakemake
from entries import open_dataset, typed
from metaprobe.config.datasets import HuggingFace
from metaprobe.core.errors import UserError
from metaprobe.data.readers import huggingface
from metaprobe.operations import doctor
from PIL import Image
from test_readers import HUB, FakeHub

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


class Watched(FakeHub):
    """Notes whether the Hub was switched off while a data set was loaded."""

    def __init__(self) -> None:
        super().__init__({"train": [0, 1, 2], "test": [0, 1, 2]})
        self.offline: list[bool] = []

    def load_dataset(self, *arguments: Any, split: str, **options: Any) -> Any:
        self.offline.append(all(os.environ.get(name) == "1" for name in OFFLINE))
        return super().load_dataset(*arguments, split=split, **options)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Watched:
    hub = Watched()
    monkeypatch.setitem(sys.modules, "datasets", hub)
    for name in OFFLINE:
        monkeypatch.setenv(name, "0")
    return hub


def entry(**changes: Any) -> HuggingFace:
    made = typed(HUB | changes)
    assert isinstance(made, HuggingFace)
    return made


def test_only_fetching_asks_the_hub(tmp_path: Path, hub: Watched) -> None:
    """A queued job without internet that hangs at the Hub, or that reads another cache."""
    manifest = huggingface.fetch("Birds", entry(), tmp_path)
    assert hub.offline == [False, False]
    assert manifest["images"] == {"train": 3, "test": 3}
    assert manifest["revision"] == "0123abc"
    open_dataset("Birds", HUB, tmp_path)
    assert hub.offline[2:] == [True, True]
    assert hub.calls[:2] == hub.calls[2:]


def test_revisions_have_caches_of_their_own(tmp_path: Path, hub: Watched) -> None:
    """Another revision of the same data set, read because the Hub could not be asked which it is."""
    places = {
        huggingface.cache_folder(entry(revision=revision), tmp_path) for revision in ("a", "b")
    }
    assert len(places) == 2


def test_what_is_missing_says_how_to_fetch_it(tmp_path: Path, hub: Watched) -> None:
    """Advice to repair a connection that is switched off."""
    from metaprobe.data import dataset

    with pytest.raises(UserError, match=r"delete results/sources/huggingface/Birds.json and start"):
        dataset.open_dataset(
            "Birds", entry(test="dev"), tmp_path, "results/sources/huggingface/Birds.json"
        )


def test_doctor_tells_folders_from_the_hub(tmp_path: Path, hub: Watched, monkeypatch) -> None:
    """A folder on this machine shown as a download; what was fetched shown as one still."""
    monkeypatch.setattr(doctor, "PACKAGES", {})
    (tmp_path / "birds").mkdir()

    def state(**changes: Any) -> tuple[str, str]:
        found = doctor.examine({"Birds": entry(**changes)}, {}, tmp_path, tmp_path / "sources")[0]
        return found.state, found.detail

    assert state() == ("will download", "someone/birds from huggingface.co")
    assert state(path=str(tmp_path / "birds")) == ("ready", f"folder {tmp_path / 'birds'}")
    assert state(path=str(tmp_path / "none")) == ("manual", f"there is no folder {tmp_path}/none")
    (tmp_path / "sources/huggingface").mkdir(parents=True)
    (tmp_path / "sources/huggingface/Birds.json").write_text("{}")
    assert state() == ("ready", "someone/birds, fetched")


def test_the_real_package_reads_its_cache_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake that has drifted from the real package, which finds nothing without the Hub."""
    package = pytest.importorskip("datasets")
    for name in OFFLINE:
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(package.config, "HF_HUB_OFFLINE", True)
    cache = huggingface.cache_folder(entry(), tmp_path / "data")
    for part, name in itertools.product(("train", "test"), ("crow", "owl", "tit")):
        folder = tmp_path / "birds" / part / name
        folder.mkdir(parents=True)
        Image.new("RGB", (8, 8), (len(name), 40, 2)).save(folder / "0.png")
    for part in ("train", "test"):
        package.load_dataset(str(tmp_path / "birds"), split=part, cache_dir=str(cache))
    (cache / "birds").rename(cache / "someone___birds")  # as if the Hub had brought it
    dataset = open_dataset("Birds", HUB, tmp_path / "data")
    assert dataset.class_names == ["crow", "owl", "tit"]
    assert {name: pool.labels.tolist() for name, pool in dataset.pools.items()} == {
        "train": [0, 1, 2],
        "test": [0, 1, 2],
    }


FAKE = """
import os

class Table:
    column_names = ["image", "label"]
    features = {"image": None, "label": None}

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        if isinstance(key, str):
            return [row[key] for row in self.rows]
        return self.rows[key]

    def select_columns(self, names):
        return self

def load_dataset(path, name, split, revision, cache_dir):
    from pathlib import Path
    from PIL import Image
    cached = Path(cache_dir, path.replace("/", "___"))
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        assert cached.is_dir(), "offline, and nothing is cached"
    cached.mkdir(parents=True, exist_ok=True)
    return Table([{"image": Image.new("L", (9, 9), 20 * i), "label": i % 3} for i in range(12)])
"""


def test_workflow_fetches_before_it_queues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subset_index job, queued on a node without internet, that is the first to ask the Hub."""
    folder = copy_workflow(tmp_path / "checkout")
    settings = {"data": "data", "only_datasets": ["Birds"], "datasets": {"Birds": HUB}}
    (folder / "mine.yaml").write_text(json.dumps(settings))
    run = ("--configfile", "mine.yaml", "--until", "subset_index")
    assert planned(folder, *run) == {"download": 1, "subset_index": 1}
    (folder / "fake").mkdir()
    (folder / "fake/datasets.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(folder / "fake"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    result = snakemake(folder, *run)
    assert result.returncode == 0, result.stdout
    manifest = json.loads((folder / "results/sources/huggingface/Birds.json").read_text())
    assert manifest["images"] == {"train": 12, "test": 12}
    local = settings | {"datasets": {"Birds": HUB | {"path": str(folder / "data")}}}
    (folder / "mine.yaml").write_text(json.dumps(local))
    assert "download" not in planned(folder, *run)
