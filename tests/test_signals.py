"""A run that is told to stop: no lock is left, and what is finished is in the partial table."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkouts import planned
from metaprobe.core.jobs import TERMINATED, logged
from tiny_runs import TINY, checkout, host, start, wait_for_job


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with host(tmp_path_factory.mktemp("host")) as address:
        yield address


def stopped(folder: Path, send: Callable[[int, int], None], number: int) -> str:
    """Send a signal when the second backbone pass has begun; return what the run has said."""
    with start(folder) as running:
        wait_for_job(folder, running, "extract_features", number=2, seconds=1)
        send(running.pid, number)
    assert running.returncode != 0
    check_no_lock(folder)
    return (folder / "output.txt").read_text()


def check_no_lock(folder: Path) -> None:
    assert not list(folder.glob(".snakemake/locks/*"))


def sent(send: Callable[[int, int], None], number: signal.Signals, *marks: pytest.MarkDecorator):
    return pytest.param(send, number, marks=marks, id=f"{send.__name__}-{number.name}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("send", "number"),
    [
        sent(os.killpg, signal.SIGINT),  # as Ctrl-C does it
        sent(os.kill, signal.SIGTERM),
        sent(os.killpg, signal.SIGHUP, pytest.mark.long),  # as a terminal that is closed
        sent(os.kill, signal.SIGINT, pytest.mark.long),
        sent(os.killpg, signal.SIGTERM, pytest.mark.long),
        sent(os.kill, signal.SIGHUP, pytest.mark.long),
    ],
)
def test_signal_stops_cleanly(address, tmp_path, send, number) -> None:
    """A lock that is left, no partial table, or work that is done again without need."""
    folder = checkout(tmp_path / "checkout", address)
    said = stopped(folder, send, number)
    assert "of 4 experiments are finished" in said
    assert "Start the same command again" in said
    assert "Traceback" not in said
    assert "killed, perhaps for want of memory" not in said
    assert (folder / "results/target_representations.partial.csv").is_file()
    assert not list((folder / "results").glob("**/.*.tmp"))
    again = planned(folder, *TINY)
    assert "download" not in again and "subset_index" not in again
    assert again["train_head"] == 4


def test_sigterm_before_the_first_job_leaves_no_lock(address, tmp_path) -> None:
    """A lock that is left because the run was stopped while it was being planned."""
    folder = checkout(tmp_path / "checkout", address)
    with start(folder) as running:
        while running.poll() is None and not list(folder.glob(".snakemake/locks/*")):
            time.sleep(0.001)
        running.terminate()
    assert running.returncode != 0
    check_no_lock(folder)


def test_terminated_job_says_so(tmp_path) -> None:
    """A job that a cluster ends at its time limit and that looks like a crash, or like nothing.

    What SIGTERM did before (another test's Snakemake may have left its own answer) it does again afterwards.
    """
    log = tmp_path / "a.log"
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit), logged(str(log)):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert log.read_text().endswith(f"error: {TERMINATED}\n")
    assert signal.getsignal(signal.SIGTERM) == before
