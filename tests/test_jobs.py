"""Jobs: a log that ends with the reason of a failure, and the list of all failures."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from checkouts import ROOT
from metaprobe.core import jobs, processes
from metaprobe.core.errors import PassingError, UserError
from metaprobe.core.jobs import failures, logged, outcome, peak_memory_gb, warnings


def run(log: Path, failure: BaseException | None = None, said: str = "at work\n") -> str:
    """Run a job that says something and then fails, or not; return its log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if failure is None:
        with logged(str(log)):
            print(said, end="")
    else:
        with pytest.raises(SystemExit) as caught, logged(str(log)):
            print(said, end="")
            raise failure
        assert caught.value.code == 1
    return log.read_text(encoding="utf-8")


def test_all_output_goes_to_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Output of parallel jobs mixed in the terminal; or streams not given back afterwards."""
    with logged(str(tmp_path / "a.log")):
        print("to stdout: ñ")
        print("to stderr", file=sys.stderr)
    text = (tmp_path / "a.log").read_text(encoding="utf-8")
    assert "\nto stdout: ñ\nto stderr\n" in text
    assert "error: " not in text
    print("afterwards")
    assert capsys.readouterr().out == "afterwards\n"


def test_a_mistake_of_the_user_is_told_in_plain_words(tmp_path: Path) -> None:
    """A traceback where one sentence helps; or a failed job that counts as done."""
    text = run(tmp_path / "a.log", UserError("Birds: there is no folder"))
    assert text.splitlines()[2] == "at work"
    assert text.endswith("\nerror: Birds: there is no folder\n")
    assert "Traceback" not in text


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    """A bug that cannot be found, because the place is not told."""
    text = run(tmp_path / "a.log", KeyError("subset"))
    assert "Traceback (most recent call last)" in text
    assert "test_jobs.py" in text
    assert text.splitlines()[-1] == "error: KeyError: 'subset'"


def test_an_interrupted_job_is_not_a_failure(tmp_path: Path) -> None:
    """Ctrl-C listed as the mistake of every job that ran."""
    with pytest.raises(SystemExit), logged(str(tmp_path / "a.log")):
        raise KeyboardInterrupt
    assert failures(tmp_path, since=0) == []


def test_a_killed_job_is_a_failure(tmp_path: Path) -> None:
    """A job that the system killed as memory ran out, and of which nobody says a word."""
    (tmp_path / "a.log").write_text("Reading pictures\n")
    assert failures(tmp_path, since=0) == [
        "a: ended without a word: killed by hand, at its time limit, out of memory, or its disk is full"
    ]


def test_a_running_job_is_no_failure(tmp_path: Path) -> None:
    """A healthy job told as killed, which makes its user stop the run."""
    log = tmp_path / "a.log"
    with logged(str(log)):
        found = outcome(log)
        assert failures(tmp_path, since=0) == []
    assert (found.state, found.reason) == ("running", "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", found.since)
    assert outcome(log).state == "finished"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"number": 2**22 + 1}, "failed"),  # beyond the largest number that Linux gives
        ({"since": processes.this().since - 60}, "failed"),  # its number was given again
        ({"host": "another"}, "unknown"),
    ],
)
def test_a_dead_writer_is_told_from_a_living_one(tmp_path: Path, change, state) -> None:
    """A killed job that runs for ever, as another process has its number."""
    writer = replace(processes.this(), **change)
    (tmp_path / "a.log").write_text(f"{writer}\nrun 1\nReading pictures\n")
    assert outcome(tmp_path / "a.log").state == state


def test_what_is_certain_is_not_tried_twice(tmp_path: Path, monkeypatch) -> None:
    """A broken picture that waits in the queue a second time; or a cured one that is not tried."""
    monkeypatch.setenv(jobs.RUN, "first")
    log = tmp_path / "a.log"
    run(log, UserError("picture 3 does not decode"))
    assert "at work" not in run_again(log)
    assert "picture 3 does not decode" in log.read_text()
    monkeypatch.setenv(jobs.RUN, "second")
    assert "at work" in run(log)


def run_again(log: Path) -> str:
    """What a second try of a job says that would be well this time."""
    with pytest.raises(SystemExit), logged(str(log)):
        print("at work")
    return log.read_text()


@pytest.mark.parametrize("passing", [PassingError("no memory"), KeyError("a bug")])
def test_what_may_pass_is_tried_again(tmp_path: Path, monkeypatch, passing) -> None:
    """No second try with twice the memory."""
    monkeypatch.setenv(jobs.RUN, "first")
    run(tmp_path / "a.log", passing)
    assert "at work" in run(tmp_path / "a.log")


def test_failures_are_listed_with_their_reasons(tmp_path: Path) -> None:
    """A successful job among the failures, or a failure without the rule that it is of."""
    run(tmp_path / "train_head" / "Birds" / "plain.log", UserError("diverged"))
    run(tmp_path / "train_head" / "Trees" / "plain.log")
    run(tmp_path / "download" / "birds.log", OSError(28, "No space left"))
    assert failures(tmp_path, since=0) == [
        "download/birds: OSError: [Errno 28] No space left",
        "train_head/Birds/plain: diverged",
    ]


def test_warnings_are_told_once_and_only_those_of_this_run(tmp_path: Path) -> None:
    """A warning of two jobs told twice, last week's, or one that only mentions the word."""
    run(tmp_path / "old.log", said="warning: last week\n")
    os.utime(tmp_path / "old.log", (1000, 1000))
    run(tmp_path / "a.log", said="warning: few tasks\nno warning: here\n")
    run(tmp_path / "b.log", said="warning: few tasks\nwarning: flat\n")
    assert warnings(tmp_path, since=1001) == ["few tasks", "flat"]


def test_failures_of_earlier_runs_are_left_out(tmp_path: Path) -> None:
    """Last week's failure listed again."""
    run(tmp_path / "old.log", UserError("last week"))
    os.utime(tmp_path / "old.log", (1000, 1000))
    run(tmp_path / "new.log", UserError("today"))
    assert failures(tmp_path, since=1001) == ["new: today"]
    assert failures(tmp_path / "nowhere", since=0) == []


def test_reasons_of_several_lines_are_kept(tmp_path: Path) -> None:
    """Instructions for files fetched by hand cut off after their first line."""
    reason = "birds is incomplete. By hand:\n1. Fetch it.\n2. Unpack it."
    run(tmp_path / "a.log", UserError(reason), said="error: of a library, not the last\n")
    assert failures(tmp_path, since=0) == [f"a: {reason}"]


def test_failure_after_an_unfinished_line_is_found(tmp_path: Path) -> None:
    """A progress bar, which ends without a line feed, that hides the reason."""
    run(tmp_path / "a.log", UserError("the host is dead"), said="12 MB of 30 MB\r")
    run(tmp_path / "b.log", UserError("the host is dead"), said="12 MB of 30 MB")
    found = failures(tmp_path, since=0)
    assert found == ["a: the host is dead", "b: the host is dead"]


def test_log_of_odd_bytes_is_read(tmp_path: Path) -> None:
    """A library's output in another encoding that breaks the list of failures."""
    (tmp_path / "a.log").write_bytes(b"\xff\xfe\nerror: Birds: no folder\n")
    assert failures(tmp_path, since=0) == ["a: Birds: no folder"]


def test_peak_memory_is_of_the_job_alone() -> None:
    """The memory of the process that started the job among the job's own."""
    ballast = bytearray(os.urandom(1)) * 400_000_000
    code = "from metaprobe.core.jobs import peak_memory_gb; print(peak_memory_gb())"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert peak_memory_gb() > len(ballast) / 1e9
    assert 0.005 < float(result.stdout) < 0.3
