"""Commands that get so many seconds: they end in time, and with the process that started them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from checkouts import ROOT
from metaprobe.core.children import run_for

DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
time.sleep(60)
"""
STARTER = """
import sys
from metaprobe.core.children import run_for
run_for([sys.executable, "-c", sys.argv[1], sys.argv[2]], 60, 1)
"""
NOTING = """
import os, sys, time
open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(60)
"""


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not holds():
        time.sleep(0.05)
    return bool(holds())


def test_output_and_code_are_told() -> None:
    """Errors of a command that are lost, as they stand on its other stream."""
    code, said = run_for([sys.executable, "-c", "import sys; sys.exit('why')"], 30, 1)
    assert code == 1
    assert "why" in said


def test_command_that_hears_no_interrupt_is_killed() -> None:
    """A wait without an end for a command, or for its own child, that Ctrl-C does not stop."""
    start = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run_for([sys.executable, "-c", DEAF], 1.0, 0.5)
    assert time.monotonic() - start < 20


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_command_ends_with_its_parent(tmp_path: Path) -> None:
    """A command that goes on, and holds its lock, after a `kill -9` of who has started it."""
    note = tmp_path / "number"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    starter = [sys.executable, "-c", STARTER, NOTING, str(note)]
    with subprocess.Popen(starter, env=environment) as running:
        assert wait_until(note.is_file)
        child = psutil.Process(int(note.read_text()))
        running.kill()
    assert wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
