"""A job whose Snakemake is gone: it ends, and it writes nothing beside its successor."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkouts import ROOT
from metaprobe.core.files import write_text
from metaprobe.core.jobs import logged

JOB = """
import sys, time
sys.path.insert(0, sys.argv[1])
from metaprobe.core.jobs import logged
with logged(sys.argv[2]):
    print("begun")
    time.sleep(60)
"""
CONTROLLER = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


def test_job_ends_when_its_controller_is_killed(tmp_path: Path) -> None:
    """Hours of work for nobody, beside the same work of the next run."""
    log = tmp_path / "a.log"
    command = [sys.executable, "-c", CONTROLLER, JOB, str(ROOT), str(log)]
    reading, writing = os.pipe()  # it ends when the last process that holds it has ended
    with subprocess.Popen(command, pass_fds=(), stdout=writing) as controller:
        os.close(writing)
        while not log.exists() or "begun" not in log.read_text():
            assert controller.poll() is None
            time.sleep(0.01)
        controller.send_signal(signal.SIGKILL)
    start = time.monotonic()
    with os.fdopen(reading) as pipe:
        pipe.read()
    assert time.monotonic() - start < 10


def test_superseded_job_writes_nothing(tmp_path: Path) -> None:
    """The result of old settings over that of the new run, or its words in the new log."""
    result, log = tmp_path / "result.json", tmp_path / "a.log"
    with pytest.raises(SystemExit), logged(str(log)):
        print("old")
        log.unlink()
        log.write_text("new")  # as the successor does
        result.write_text("new")
        print("old again")
        write_text(result, "old")
    assert result.read_text() == "new"
    assert log.read_text() == "new"
    assert sorted(tmp_path.iterdir()) == [log, result]


def test_result_of_a_job_whose_log_is_gone_is_kept(tmp_path: Path) -> None:
    """An hour of work thrown away because somebody cleared the logs."""
    log = tmp_path / "a.log"
    with logged(str(log)):
        log.unlink()
        write_text(tmp_path / "result.json", "whole")
    assert (tmp_path / "result.json").read_text() == "whole"


def test_what_killed_processes_left_is_deleted(tmp_path: Path) -> None:
    """A disk that fills with the halves of features, one more at each kill."""
    left = tmp_path / ".result.json.999.tmp"
    left.write_text("ha")
    other = tmp_path / ".other.json.999.tmp"
    other.write_text("another job's")
    write_text(tmp_path / "result.json", "whole")
    assert not left.exists()
    assert other.exists()
