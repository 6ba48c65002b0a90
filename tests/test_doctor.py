"""The doctor: one row per data set, true to what lies below the data folder."""

from pathlib import Path

import pytest
from checkouts import copy_workflow, snakemake
from entries import typed_entries, typed_sources
from metaprobe.operations import doctor

SOURCES = {
    "net": {
        "download_mb": 100.0,
        "extracted_mb": 300.0,
        "files": [{"name": "a.zip", "urls": ["https://example.org/a.zip"]}],
        "provides": {"net/*.bin": 2},
    },
    "hand": {"download_mb": 5.0, "extracted_mb": 5.0, "provides": {"hand/list.csv": 1}},
}
DATASETS = {
    "One": {"kind": "pcam", "source": "net", "licence": "MIT", "family": "pair"},
    "Two": {"kind": "pcam", "source": "net", "family": "pair"},
    "Hand": {"kind": "pcam", "source": "hand"},
    "Mine": {"kind": "folder"},
    "Demo": {"kind": "embedded", "class": "generated_shapes"},
}


def examine(datasets: dict, sources: dict, data: Path) -> list[doctor.Finding]:
    return doctor.examine(typed_entries(datasets), typed_sources(sources), data)


def states(data: Path, **changes) -> dict[str, tuple[str, str]]:
    findings = examine(DATASETS | changes, SOURCES, data)
    return {f.task_id: (f.state, f.detail) for f in findings}


def write(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def test_nothing_there(tmp_path) -> None:
    """Megabytes counted twice for a shared source, or a folder made by looking."""
    data = tmp_path / "data"
    found = states(data)
    assert found["One"] == ("will download", "100.0 MB from example.org")
    assert found["Two"] == ("will download", "with One")
    assert found["Hand"] == ("manual", "to be fetched by hand, see below")
    assert found["Mine"][0] == "manual" and str(data / "Mine") in found["Mine"][1]
    assert found["Demo"][0] == "ready"
    assert doctor.to_fetch(examine(DATASETS, SOURCES, data), typed_sources(SOURCES)) == (
        400.0,
        100.0,
    )
    assert not data.exists()


def test_states_follow_the_files(tmp_path) -> None:
    """Half an archive taken for a whole one, or a surplus file that a download cannot mend."""
    write(tmp_path / "net/1.bin", tmp_path / "hand/list.csv")
    assert states(tmp_path)["One"][1].endswith("; incomplete now")
    assert states(tmp_path)["Hand"][0] == "ready"
    write(tmp_path / "net/2.bin")
    assert states(tmp_path)["Two"] == ("ready", "all files are there")
    write(tmp_path / "net/3.bin")
    assert states(tmp_path)["One"][0] == "broken"


def test_a_plain_folder_tree_is_ready(tmp_path) -> None:
    """A user sent to fetch what lies there as a folder per class, or a part taken for the whole."""
    write(tmp_path / "Hand/train/a/1.png", tmp_path / "Hand/test/a/2.png")
    assert states(tmp_path)["Hand"][0] == "broken"
    write(tmp_path / "Hand/train/b/1.png")
    assert states(tmp_path)["Hand"] == ("ready", f"folder tree {tmp_path / 'Hand'}")


def test_own_folder_with_too_few_classes_is_not_ready(tmp_path) -> None:
    """A folder called ready that the run then refuses."""
    write(tmp_path / "Mine/a/1.png", tmp_path / "Mine/a/2.png")
    assert "1 classes have images" in states(tmp_path)["Mine"][1]
    write(tmp_path / "Mine/b/1.png")
    assert states(tmp_path)["Mine"][0] == "ready"


def test_missing_package_is_named(tmp_path) -> None:
    """A run that fails after the download for want of a package."""
    found = states(tmp_path, Hub={"kind": "huggingface", "path": "a/b", "revision": "main"})
    if found["Hub"][0] == "broken":
        assert "datasets" in found["Hub"][1]
    source = SOURCES["net"] | {"packages": ["no_such_package"]}
    finding = examine({"One": DATASETS["One"]}, {"net": source}, tmp_path)[0]
    assert (finding.state, "no_such_package" in finding.detail) == ("broken", True)


@pytest.mark.parametrize(("free", "room"), [(500.0, False), (300.0, True)])
def test_a_full_disk_needs_the_user(tmp_path, monkeypatch, free, room) -> None:
    """Gigabytes fetched until the disk is full."""
    monkeypatch.setattr(doctor, "free_megabytes", lambda data: free)
    ready = examine({"One": DATASETS["One"]}, SOURCES, tmp_path)
    sources = typed_sources({"net": SOURCES["net"]})
    assert doctor.needs_user(ready, sources, tmp_path) is room
    assert ("too little room" in doctor.report(ready, sources, tmp_path)) is room


def test_command_prints_thirty_rows_and_changes_nothing(tmp_path) -> None:
    """A doctor that starts the treatment."""
    folder = copy_workflow(tmp_path)
    result = snakemake(folder, "doctor")
    assert result.returncode == 0
    assert sum("will download" in line for line in result.stdout.splitlines()) == 28 + 1 + 3
    assert "28 will download, 2 manual" in result.stdout
    assert not (folder / "data").exists()
    assert not (folder / "results").exists()
    good = snakemake(folder, "doctor", "--configfile", "config/demo.yaml")
    assert good.returncode == 0, good.stdout
