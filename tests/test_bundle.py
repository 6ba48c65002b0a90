"""Bundles: whole, the same each time, small, and harmless when they come from a stranger."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from metaprobe.__main__ import main
from metaprobe.core.errors import UserError
from metaprobe.exchange.bundle import opened, write_bundle
from metaprobe.exchange.holdings import holdings
from travelling import TASKS, edit_fragment, write_run


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(write_run(tmp_path / "a"), tmp_path / "a.zip")
    return tmp_path / "a.zip"


def rewritten(bundle: Path, change: Any) -> Path:
    """A copy of a bundle whose files a function has changed: name → bytes."""
    with zipfile.ZipFile(bundle) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    other = bundle.with_name("other.zip")
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return other


def test_a_bundle_has_what_tables_need_and_no_arrays_of_images(
    bundle: Path, tmp_path: Path
) -> None:
    """Gigabytes of features in a mail, or a bundle without what a check compares."""
    with zipfile.ZipFile(bundle) as packed:
        rooms = {name.partition("/")[0] for name in packed.namelist()}
    assert rooms == {"bundle.json", "subsets", "metrics", "predictions", "descriptions"}
    write_bundle(tmp_path / "a", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_a_bundle_is_as_good_as_its_folder(bundle: Path, tmp_path: Path, capsys: Any) -> None:
    """A handed in run that can be looked at but not added to one's own."""
    write_run(tmp_path / "b", TASKS[:1])
    arguments = ["merge", str(tmp_path / "b"), str(bundle), "--to", str(tmp_path / "c")]
    assert main(arguments) == 0, capsys.readouterr().err
    merged = {one.name for one in holdings(tmp_path / "c", tmp_path / "c")}
    assert {f"metrics/{task}/plain.json" for task in TASKS} <= merged
    assert main(["compare", str(tmp_path / "a"), str(bundle)]) == 0
    assert "4 are the same to the last digit" in capsys.readouterr().out


def test_a_damaged_run_makes_no_bundle(tmp_path: Path) -> None:
    """An edited number that travels under a fresh seal."""
    folder = write_run(tmp_path / "a")
    edit_fragment(folder, "Birds/plain", {"test_accuracy": 1.0})
    with pytest.raises(UserError, match=r"metrics/Birds/plain\.json is broken"):
        write_bundle(folder, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda files: files.pop("metrics/Birds/plain.json"),
            "metrics/Birds/plain.json is not as it",
        ),
        (
            lambda files: files.update({"subsets/Birds.json": b"{}"}),
            "subsets/Birds.json is not as it",
        ),
        (lambda files: files.update({"more.json": b"{}"}), "more.json is not as it was bundled"),
        (lambda files: files.pop("bundle.json"), "it has no bundle.json"),
        (lambda files: files.update({"../out.json": b"{}"}), "would be written outside"),
        (lambda files: files.update({"zeros": bytes(10**8)}), "it is no bundle"),
    ],
)
def test_a_bundle_that_was_changed_is_refused(bundle: Path, change: Any, told: str) -> None:
    """A stranger's archive that fills the disk, writes elsewhere, or is not what was handed in."""
    with pytest.raises(UserError, match=told), opened(rewritten(bundle, change)):
        pass
    assert not (bundle.parent.parent / "out.json").exists()


def test_a_bundle_of_a_later_format_is_told(bundle: Path) -> None:
    """Files that are read as something they no longer are."""
    from metaprobe.core.files import with_checksum

    def change(files: dict[str, bytes]) -> None:
        told = json.loads(files["bundle.json"]) | {"format": 2}
        files["bundle.json"] = json.dumps(with_checksum(told)).encode()

    with (
        pytest.raises(UserError, match="of format 2; this reads 1"),
        opened(rewritten(bundle, change)),
    ):
        pass


def test_an_archive_that_is_none_is_told(tmp_path: Path) -> None:
    """A traceback of zipfile."""
    (tmp_path / "a.zip").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"a\.zip cannot be read"), opened(tmp_path / "a.zip"):
        pass
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bundle", "bundle does not end in .zip: name it bundle.zip"),
        ("metrics", "metrics is a folder: name a file in it, such as metrics/new.zip"),
        ("notes.zip", "notes.zip is there already and is not a bundle: name another file"),
        ("others.zip", "others.zip is there already and is not a bundle: name another file"),
    ],
)
def test_a_bundle_replaces_no_file_of_another_kind(
    tmp_path: Path, monkeypatch: Any, capsys: Any, name: str, told: str
) -> None:
    """A thesis overwritten, a bundle that nothing reads, or a bare number of an error."""
    monkeypatch.chdir(tmp_path)
    Path("metrics").mkdir()
    Path("notes.zip").write_text("notes")
    with zipfile.ZipFile("others.zip", "w") as other:
        other.writestr("notes.txt", "notes")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.zip")}
    assert main(["contribute", "a", "--to", name]) == 1
    assert capsys.readouterr().err == f"contribute: {told}\n"
    assert {path: path.read_bytes() for path in tmp_path.glob("*.zip")} == before


def test_a_bundle_is_replaced_by_a_newer_one(bundle: Path) -> None:
    """Two files to keep apart, as the first must not be named again."""
    before = bundle.read_bytes()
    folder = bundle.with_name("a")
    shutil.rmtree(folder / "metrics/Fish")
    shutil.rmtree(folder / "predictions/Fish")
    assert main(["contribute", str(folder), "--to", str(bundle)]) == 0
    assert bundle.read_bytes() != before
