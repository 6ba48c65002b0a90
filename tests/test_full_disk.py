"""A disk that is full: said in a line, nothing half-written is taken for whole, and it goes on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import planned, snakemake
from small_disks import full, small_disk
from tiny_runs import ALONE, TINY, checkout, host, restart, settings, start, wait_for_job

STAGES = ["subset_index", "extract_features", "train_head", "metrics_json", "aggregate"]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with host(tmp_path_factory.mktemp("host")) as address:
        yield address


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "8m") as disk:
        yield disk


def check_said(output: str) -> None:
    full = "No space left on device" in output or "without 1 MB of free space" in output
    assert full, output
    assert "make room" in output, output
    assert "Traceback" not in output, output


@pytest.mark.slow
def test_results_on_a_full_disk(address, tmp_path, disk) -> None:
    """A traceback, half a file of any stage, or a run that does not go on once there is room."""
    places = {"results": str(disk / "results"), "logs": "logs"}
    folder = checkout(tmp_path / "checkout", address, pathvars=places, **ALONE)
    assert snakemake(folder, *TINY, "--until", "download").returncode == 0
    for stage in STAGES:
        with full(disk):
            result = snakemake(folder, *TINY, "--until", stage)
            assert result.returncode != 0
            check_said(result.stdout)
        result = snakemake(folder, *TINY, "--until", stage)
        assert result.returncode == 0, result.stdout
        assert not list(disk.glob("**/.*.tmp"))
    assert (disk / "results/target_representations.csv").is_file()


def test_start_on_a_full_disk(address, disk) -> None:
    """Snakemake's complaints about its own log, and nothing a user can act on, at the end."""
    folder = checkout(disk / "checkout", address)
    with full(disk):
        result = snakemake(folder, *TINY)
        assert result.returncode != 0
        last = result.stdout.strip().splitlines()[-1]
        assert last.endswith("free space: make room there and start the run again")


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("subset_index", marks=pytest.mark.long),
        pytest.param("extract_features", marks=pytest.mark.long),
        "train_head",
    ],
)
def test_disk_with_everything_fills_in_the_middle(address, tmp_path, disk, stage) -> None:
    """A disk that has no room for Snakemake's own records and for the logs either."""
    folder = checkout(disk / "checkout", address, **ALONE)
    output = tmp_path / "output.txt"
    with start(folder, output=output) as running:
        wait_for_job(folder, running, stage)
        with full(disk):
            running.wait()
    assert running.returncode != 0
    assert "No space left on device" in output.read_text(), output.read_text()
    result = restart(folder)
    assert result.returncode == 0, result.stdout
    assert planned(folder, *TINY) == {}


def test_download_to_a_full_disk(address, tmp_path, disk) -> None:
    """Half an archive taken for whole, or a reason that is not told."""
    sources = settings(address)["sources"]
    sources["tints"] |= {"download_mb": 0, "extracted_mb": 0}  # what was declared is too little
    folder = checkout(tmp_path / "checkout", address, data=str(disk), sources=sources)
    arguments = (*TINY, "--until", "download")
    with full(disk):
        result = snakemake(folder, *arguments)
        assert result.returncode != 0
        check_said(result.stdout)
        assert not (folder / "results/sources/tints.json").exists()
    result = snakemake(folder, *arguments)
    assert result.returncode == 0, result.stdout
    assert len(list((disk / "Tints").glob("*/*.png"))) == 45
    assert json.loads((folder / "results/sources/tints.json").read_text())["source"] == "tints"
