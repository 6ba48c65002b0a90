"""Where things lie: other file systems, odd names, read-only data, other working folders, moves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import planned, snakemake
from small_disks import mounted, small_disk
from tiny_runs import ALONE, TINY, checkout, host, metrics

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with host(tmp_path_factory.mktemp("host")) as address:
        yield address


def check_finished(folder: Path, *arguments: str) -> None:
    result = snakemake(folder, *arguments)
    assert result.returncode == 0, result.stdout
    assert planned(folder, *arguments) == {}


def test_names_with_blanks_and_other_letters_and_a_move(address, tmp_path) -> None:
    """A path that is split at its blanks or written as ASCII, or kept where it must not be."""
    places = {"results": "Résultats 1", "logs": "Résultats 1/logs"}
    folder = checkout(
        tmp_path / "mein Ordner ☃" / "検 査",
        address,
        data="Bilder für alle",
        pathvars=places,
        **ALONE,
    )
    check_finished(folder, *TINY)
    moved = folder.rename(tmp_path / "elsewhere, 'quoted' & so on")
    assert planned(moved, *TINY) == {}
    assert len(metrics(moved, "Résultats 1")) == 1


def test_data_and_results_on_other_disks(address, tmp_path) -> None:
    """Files that can only be renamed within one disk."""
    with (
        small_disk(tmp_path / "data disk", "8m") as data,
        small_disk(tmp_path / "results disk", "8m") as results,
    ):
        places = {"results": str(results / "results"), "logs": str(results / "logs")}
        folder = checkout(tmp_path / "checkout", address, data=str(data), pathvars=places, **ALONE)
        check_finished(folder, *TINY)


def test_read_only_data(address, tmp_path) -> None:
    """Locks or caches beside data that lie on a server nobody may write to."""
    data = tmp_path / "data"
    folder = checkout(tmp_path / "checkout", address, data=str(data), **ALONE)
    assert snakemake(folder, *TINY, "--until", "download").returncode == 0
    shutil.rmtree(folder / "results")
    with mounted(data, "--bind", "-o", "ro", str(data)):
        with pytest.raises(OSError):
            (data / "mine").touch()
        check_finished(folder, *TINY)


def test_download_into_a_read_only_folder_is_told(address, tmp_path) -> None:
    """A traceback instead of the folder's name."""
    data = tmp_path / "data"
    data.mkdir()
    folder = checkout(tmp_path / "checkout", address, data=str(data))
    with mounted(data, "--bind", "-o", "ro", str(data)):
        result = snakemake(folder, *TINY, "--until", "download")
    assert result.returncode != 0
    assert f"cannot read or write below {data}: [Errno 30] Read-only file system" in result.stdout
    assert "Traceback" not in result.stdout


def test_run_in_another_working_folder(address, tmp_path) -> None:
    """`--directory`: results that land in the checkout, or files that are not found."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = checkout(tmp_path / "checkout", address, **ALONE)
    arguments = ("--directory", str(elsewhere), "--configfile", str(folder / "tiny.yaml"))
    check_finished(folder, *arguments)
    assert len(metrics(elsewhere)) == 1
    assert not (folder / "results").exists()
    assert not (folder / "data").exists()
