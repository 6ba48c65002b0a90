"""Each kind of file damaged in each way: the doctor sees it, and what is advised mends it."""

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkouts import copy_workflow, snakemake, write_pictures
from metaprobe.config.sources import Source
from metaprobe.core.files import write_checked_json
from metaprobe.data.download import fetch_source
from metaprobe.data.inventory import known_files, sizes_of
from metaprobe.operations.doctor import state_of_source
from standins import WRITERS

ROOT = Path(__file__).parent.parent
FILES = {
    "usps": "usps.bz2",
    "svhn": "test_32x32.mat",
    "mnist": "MNIST/raw/train-images-idx3-ubyte",
    "emnist": "EMNIST/raw/emnist-letters-test-labels-idx1-ubyte",
    "qmnist": "QMNIST/raw/qmnist-test-labels-idx2-int",
    "pcam": "pcam/camelyonpatch_level_2_split_train_x.h5",
    "stl10": "stl10_binary/unlabeled_X.bin",
    "fer2013": "fer2013/fer2013.csv",
    "cifar10": "cifar-10-batches-py/data_batch_3",
    "cifar100": "cifar-100-python/train",
    "flowers102": "flowers-102/setid.mat",
}
DAMAGES = ("empty", "a byte", "half", "a page")


@cache
def sources() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "config/datasets.yaml").read_text("utf-8"))
    return content["sources"]


def fitted(source: str, data: Path) -> Source:
    """The shipped source, as if the stand-ins below `data` were what was published."""
    content = dict(sources()[source])
    counts = {pattern: len(list(data.glob(pattern))) for pattern in content["provides"]}
    content["provides"] = {pattern: count for pattern, count in counts.items() if count}
    facts = {
        path: {"md5": hashlib.md5((data / path).read_bytes()).hexdigest()}
        for path in known_files(Source.model_validate(content), data)
    }
    files = [file | facts.pop(file["name"], {}) for file in content.get("files", [])]
    for file in files:
        file.pop("bytes", None)
    return Source.model_validate(content | {"files": files, "contents": facts})


def damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    page = b"<html><body>Please log in.</body></html>"
    changed = {"empty": b"", "a byte": content[:1], "half": content[: len(content) // 2]}
    file.write_bytes(changed.get(how, page))


@pytest.mark.parametrize("source", FILES)
def test_damaged_file_is_never_ready(tmp_path: Path, source: str) -> None:
    """'ready' for a file that no reader can read, ten of ten times."""
    WRITERS[source](tmp_path)
    entry, file = fitted(source, tmp_path), tmp_path / FILES[source]
    assert state_of_source(entry, tmp_path, None) == ("ready", "all files are there")
    content = file.read_bytes()
    for how in DAMAGES:
        damage(file, how)
        state, detail = state_of_source(entry, tmp_path, None)
        expected = {"will download"} if entry.files else {"broken", "manual"}
        assert state in expected, (how, detail)
        assert FILES[source] in detail or "incomplete" in detail or how == "empty", (how, detail)
        file.write_bytes(content)
        os.utime(file)


@pytest.mark.parametrize("source", WRITERS)
def test_whole_copy_is_taken_as_it_is(tmp_path: Path, source: str) -> None:
    """A copy in its true format called damaged; or files fetched, or moved away, that are whole."""
    WRITERS[source](tmp_path)
    entry = fitted(source, tmp_path)
    assert state_of_source(entry, tmp_path, None) == ("ready", "all files are there")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    manifest = fetch_source(source, entry, tmp_path)
    assert manifest["sizes"] == sizes_of(entry, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not (tmp_path / ".damaged").exists()


def test_damage_after_the_download_is_seen(tmp_path: Path) -> None:
    """A picture cut off after all was complete, found when a job reads it; the cure not said."""
    WRITERS["eurosat"](tmp_path)
    entry, manifest = fitted("eurosat", tmp_path), tmp_path / "sources/eurosat.json"
    write_checked_json(manifest, {"sizes": sizes_of(entry, tmp_path)})
    assert state_of_source(entry, tmp_path, manifest) == ("ready", "all files are there")
    picture = next((tmp_path / "eurosat/2750/Forest").glob("*.jpg"))
    os.truncate(picture, 99)
    state, detail = state_of_source(entry, tmp_path, manifest)
    assert state == "broken" and f"{picture.name}: it has 99 bytes, and had " in detail
    assert f"move it away, delete {manifest} and start the run" in detail
    picture.unlink()
    state, detail = state_of_source(entry, tmp_path, manifest)
    assert state == "broken" and f"delete {manifest} and start the run" in detail
    manifest.unlink()
    assert state_of_source(entry, tmp_path, manifest)[0] == "will download"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The address of an archive of class folders on this machine."""
    write_pictures(tmp_path / "served/Tints")
    shutil.make_archive(str(tmp_path / "served/tints"), "zip", tmp_path / "served", "Tints")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/tints.zip"
        server.shutdown()


def test_what_the_error_advises_mends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Advice after which nothing is fetched, and the same error comes for ever."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file = {"name": "tints.zip", "urls": [url], "extract_to": "."}
    source = {"download_mb": 0.1, "extracted_mb": 0.2, "files": [file]}
    entry = {"kind": "folder", "path": "Tints", "classes": 3, "source": "tints"}
    settings = {
        "data": "data",
        "only_datasets": ["Colours"],
        "datasets": {"Colours": entry},
        "sources": {"tints": source | {"provides": {"Tints/*/*.png": 45}}},
    }
    folder = copy_workflow(tmp_path / "checkout")
    (folder / "mine.yaml").write_text(json.dumps(settings))
    run = ("--configfile", "mine.yaml", "--until", "subset_index")
    assert snakemake(folder, *run).returncode == 0
    for picture in (folder / "data/Tints/red").iterdir():
        picture.rename(picture.with_suffix(".txt"))  # a class is gone
    (folder / "results/subsets/Colours.json").unlink()
    result = snakemake(folder, *run)
    assert result.returncode != 0
    advised = re.search(
        r"move the damaged ones out of (\S+), delete (\S+) and start", result.stdout
    )
    assert advised and advised[1] == "data" and advised[2] == "results/sources/tints.json"
    shutil.move(folder / "data/Tints/red", tmp_path / "moved")
    (folder / advised[2]).unlink()
    result = snakemake(folder, *run)
    assert result.returncode == 0, result.stdout
    assert len(list((folder / "data/Tints/red").iterdir())) == 15
