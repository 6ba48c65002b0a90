"""The lock of a results folder: it ends with its process, and says whose it is."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from metaprobe.core import processes
from metaprobe.core.errors import UserError
from metaprobe.operations import lock

RESULTS = Path("results/demo")
HOLD = "import time; from pathlib import Path; from metaprobe.operations import lock; "
HOLD += f"lock.take(Path('{RESULTS}')); print('taken', flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the lock files that Snakemake has left behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "_held", [])
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").write_text("results/demo/sources/a.json\n")
    Path(".snakemake/locks/0.output.lock").write_text(f"{Path.cwd()}/results/demo/a.csv\n")
    Path(".snakemake/locks/1.output.lock").write_text("results/demo2/a.csv\n")


def left() -> list[str]:
    return sorted(one.name for one in Path(".snakemake/locks").iterdir())


def hold() -> subprocess.Popen[str]:
    """Another process that has taken the lock."""
    other = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert other.stdout and other.stdout.readline() == "taken\n"
    return other


def test_lock_of_a_killed_run_is_taken_away() -> None:
    """A command that must not be typed again after kill -9; or another run's lock that goes with it."""
    lock.owner_file(RESULTS).parent.mkdir()
    lock.owner_file(RESULTS).write_text(f"{replace(processes.this(), since=1e9)}\n")
    assert lock.at_work(RESULTS) is None
    lock.take(RESULTS)
    assert left() == ["1.output.lock"]
    assert lock.at_work(RESULTS) == replace(processes.this(), since=int(processes.this().since))


def test_lock_of_a_living_run_is_respected_until_it_is_killed() -> None:
    """Two runs that write the same files, where the second took the first for dead."""
    for file in Path(".snakemake/locks").iterdir():
        file.unlink()
    other = hold()
    found = lock.at_work(RESULTS)
    assert found and found.number == other.pid
    with pytest.raises(
        UserError, match=rf"another run is at work .*process {other.pid} on .* since"
    ):
        lock.take(RESULTS)
    lock.take(Path("results/demo2"))
    other.kill()
    other.wait()
    lock.take(RESULTS)


def test_lock_of_another_machine_is_left_to_the_user() -> None:
    """The lock of a run on another node of the cluster, taken for that of a dead one here."""
    lock.owner_file(RESULTS).parent.mkdir()
    lock.owner_file(RESULTS).write_text("process 12 on node7 since 2026-01-02 03:04:05\n")
    assert lock.at_work(RESULTS) is not None
    with pytest.raises(UserError, match=r"locked by process 12 on node7 since .*--unlock"):
        lock.take(RESULTS)
    assert len(left()) == 3


def test_snakemakes_own_lock_is_left_to_snakemake() -> None:
    """The lock of a run by another program, or of an older version, that nobody knows to be dead."""
    lock.take(RESULTS)
    assert len(left()) == 3


def test_nobody_is_at_work_after_a_run_has_ended() -> None:
    lock.take(Path("results/demo2"))
    lock.leave(Path("results/demo2"))
    assert lock.at_work(Path("results/demo2")) is None
    assert os.path.getsize(lock.owner_file(Path("results/demo2"))) == 0
