"""A disk that is full: said in a line, nothing half-written is taken for whole, and it goes on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import snakemake
from small_disks import full, small_disk
from tiny_runs import TINY, checkout, host, settings

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
    assert "No space left on device" in output, output
    assert "make room" in output, output
    assert "Traceback" not in output, output


@pytest.mark.slow
def test_results_on_a_full_disk(address, tmp_path, disk) -> None:
    """A traceback, half a file of any stage, or a run that does not go on once there is room."""
    places = {"results": str(disk / "results"), "logs": "logs"}
    folder = checkout(tmp_path / "checkout", address, pathvars=places)
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


@pytest.mark.slow
def test_everything_on_a_full_disk(address, disk) -> None:
    """A disk without room for Snakemake's own records and for the logs."""
    folder = checkout(disk / "checkout", address)
    assert snakemake(folder, *TINY, "--until", "extract_features").returncode == 0
    with full(disk):
        result = snakemake(folder, *TINY)
        assert result.returncode != 0
        assert "No space left on device" in result.stdout
    result = snakemake(folder, *TINY)
    if "--unlock" in result.stdout:
        assert snakemake(folder, *TINY, "--unlock").returncode == 0
        result = snakemake(folder, *TINY)
    assert result.returncode == 0, result.stdout


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
