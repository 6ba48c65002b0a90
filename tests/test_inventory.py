"""What lies below the data folder: counted without clutter, and compared with what is known of it."""

import hashlib
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from metaprobe.config.sources import Source
from metaprobe.data import digests
from metaprobe.data.digests import MEMORY, remembered_in
from metaprobe.data.formats import flaw
from metaprobe.data.inventory import damaged_files, missing_files, sizes_of
from scipy.io import savemat
from standins.idx_files import write_idx

CLUTTER = ("._0.png", ".DS_Store.png", "__MACOSX/0.png", ".git/0.png")


def source(provides: dict[str, int], **more: Any) -> Source:
    file = {"name": "a.zip", "urls": ["https://example.org/a.zip"], "extract_to": "."}
    sizes = {"download_mb": 1, "extracted_mb": 1, "files": [file]}
    return Source.model_validate(sizes | {"provides": provides} | more)


def write(folder: Path, *names: str, content: bytes = b"x") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def found(entry: Source, data: Path, **more: Any) -> dict[str, str]:
    return dict(damaged_files(entry, data, **more))


def test_hidden_files_never_count(tmp_path: Path) -> None:
    """A whole source called broken because a Mac has looked at its folder."""
    write(tmp_path, "set/a/0.png", "set/b/0.png", *(f"set/{name}" for name in CLUTTER))
    write(tmp_path, *(f"set/a/{name}" for name in ("._0.png", "Thumbs.db", "desktop.ini")))
    (tmp_path / "set/a/1.png").mkdir()
    assert missing_files(source({"set/*/*": 2}), tmp_path) == []
    assert [*sizes_of(source({"set/*/*": 2}), tmp_path)] == ["set/a/0.png", "set/b/0.png"]


def test_surplus_file_is_named(tmp_path: Path) -> None:
    """One copy among 27,000 pictures that nobody can find."""
    write(tmp_path, *(f"set/a/a_{number}.png" for number in range(300)), "set/a/a_7 (copy).png")
    (sentence,) = missing_files(source({"set/*/*.png": 300}), tmp_path)
    assert sentence.startswith("set/*/*.png matches 301 files, not 300 (look at set/a/a_7 (copy)")


def test_empty_file_counts_as_missing(tmp_path: Path) -> None:
    """What a full disk left, taken for a picture."""
    write(tmp_path, "set/0.png")
    write(tmp_path, "set/1.png", content=b"")
    assert missing_files(source({"set/*.png": 2}), tmp_path) == ["set/*.png matches 1 files, not 2"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"bytes": 3}, "it has 4 bytes, not 3"),
        ({"md5": hashlib.md5(b"true").hexdigest()}, "its MD5 is "),
        ({"bytes": 4, "sha256": hashlib.sha256(b"true").hexdigest()}, "its SHA256 is "),
    ],
)
def test_known_content_is_compared(tmp_path: Path, facts: dict[str, Any], reason: str) -> None:
    """A batch of 1 byte, or of other bytes, that is there and so counts as whole."""
    write(tmp_path, "set/A", content=b"fake")
    entry = source({"set/?": 1}, contents={"[sS]et/A": facts, "set/none": {"bytes": 1}})
    assert found(entry, tmp_path)["set/A"].startswith(reason)


def test_size_is_compared_with_the_time_it_was_complete(tmp_path: Path) -> None:
    """A picture among thousands, of which no digest is known, cut off after the download."""
    write(tmp_path, "set/0.jpg", "set/1.jpg", content=b"picture")
    entry = source({"set/*.jpg": 2})
    noted = sizes_of(entry, tmp_path)
    assert found(entry, tmp_path, noted=noted) == {}
    os.truncate(tmp_path / "set/1.jpg", 3)
    assert found(entry, tmp_path, noted=noted) == {
        "set/1.jpg": "it has 3 bytes, and had 7 when it was complete"
    }


# Formats that say how long they are.


def idx(path: Path) -> None:
    write_idx(path, np.zeros((5, 4, 4), np.uint8))


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(5000)


def mat(path: Path) -> None:
    savemat(path, {"a": np.arange(500.0), "b": np.arange(300.0)}, do_compression=True)


FORMATS = {"train-images-idx3-ubyte": idx, "train_x.h5": hdf5, "setid.mat": mat}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("left", [1.0, 0.99, 0.5, 0.001])
def test_file_that_is_cut_off(tmp_path: Path, name: str, left: float) -> None:
    """Half a file that is there and so counts as whole; or a whole one refused."""
    file = tmp_path / name
    FORMATS[name](file)
    os.truncate(file, max(1, int(file.stat().st_size * left)))
    assert (flaw(file) is None) is (left == 1)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train_x.h5"])
def test_page_in_place_of_a_file(tmp_path: Path, name: str) -> None:
    """The login page that a host sent with 200 OK."""
    write(tmp_path, name, content=b"<html>please log in</html>" * 20)
    assert flaw(tmp_path / name)


def test_other_formats_do_not_tell(tmp_path: Path) -> None:
    """A file refused because it is not of a format that it never claimed."""
    write(tmp_path, "a.jpg", "a.bin", "old.mat", content=b"x" * 200)
    assert [flaw(tmp_path / name) for name in ("a.jpg", "a.bin", "old.mat")] == [None] * 3


# The memory of digests.


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files whose digests are computed from now on."""
    names: list[str] = []
    compute = digests.digest_of

    def counted(path: Path, algorithm: str) -> str:
        names.append(path.name)
        return compute(path, algorithm)

    monkeypatch.setattr(digests, "digest_of", counted)
    return names


def test_digest_is_computed_once(tmp_path: Path, computed: list[str]) -> None:
    """Gigabytes read by every question; or a changed file that an old digest vouches for."""
    write(tmp_path, "a.bin", content=b"first")
    for _ in range(3):
        assert (
            remembered_in(tmp_path)(tmp_path / "a.bin", "md5") == hashlib.md5(b"first").hexdigest()
        )
    assert computed == ["a.bin"]
    write(tmp_path, "a.bin", content=b"other")
    os.utime(tmp_path / "a.bin", ns=(0, 1))
    assert remembered_in(tmp_path)(tmp_path / "a.bin", "md5") == hashlib.md5(b"other").hexdigest()
    assert remembered_in(tmp_path)(tmp_path / "a.bin", "sha256") == (
        hashlib.sha256(b"other").hexdigest()
    )


def test_damaged_memory_is_not_believed(tmp_path: Path, computed: list[str]) -> None:
    """A digest edited by hand, or half a file, that makes every question fail or lie."""
    write(tmp_path, "a.bin", content=b"first")
    true = remembered_in(tmp_path)(tmp_path / "a.bin", "md5")
    text = (tmp_path / MEMORY).read_text()
    for damaged in (text.replace(true, "0" * 32), text[:30], "[]", ""):
        (tmp_path / MEMORY).write_text(damaged)
        assert remembered_in(tmp_path)(tmp_path / "a.bin", "md5") == true
    assert len(computed) == 5


def test_memory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of data that everybody shares and nobody may write to, in which nothing works."""

    def refuse(*arguments: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    write(tmp_path, "a.bin", content=b"first")
    assert remembered_in(tmp_path)(tmp_path / "a.bin", "md5") == hashlib.md5(b"first").hexdigest()
    assert "digests are not remembered" in capsys.readouterr().out
