"""The progress line: experiments done, rate, time left; quiet where it would drown or disturb."""

import logging
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaprobe.operations import costs, progress
from metaprobe.operations.costs import Job
from metaprobe.operations.progress import Run, Snapshot, Watch, line, seconds_left

HEADS = [Job(rule, f"One/{n}") for rule in ("train_head", "metrics_json") for n in range(10)]
EXTRACTIONS = [Job("extract_features", f"{task}/ResNet18") for task in ("One", "Two", "Three")]


def a_run(todo, **changes) -> Run:
    settings = {
        "todo": {job: Path(f"{job.rule}/{job.name}.log") for job in todo},
        "needs": {},
        "experiments": 12,
        "at_once": 2,
        "size_of": lambda job: 1.0,
        "started": 0.0,
    }
    return Run(**settings | changes)


def seconds(jobs, each: float) -> dict[Job, float]:
    return dict.fromkeys(jobs, each)


def test_line_counts_what_earlier_runs_have_done() -> None:
    """`5 of 10` when 7 of 12 are there."""
    done = seconds([*HEADS[:10], *HEADS[10:15]], 1.0)
    said = line(a_run(HEADS), Snapshot(done, set(), 30.0))
    assert said == "7 of 12 experiments done, 10 per minute, about 10 s left (15 of 20 jobs)"


def test_slow_rates_are_per_hour_and_failures_are_said() -> None:
    """`0 per minute`, or a failure that shows only at the end."""
    done = seconds(HEADS[10:12], 1.0)
    said = line(a_run(HEADS, at_once=None), Snapshot(done, {HEADS[0]}, 3600.0))
    assert said == "4 of 12 experiments done, 2 per hour (2 of 20 jobs); 1 job failed"


def test_a_sweep_counts_jobs() -> None:
    """A run that trains no experiment, said to have finished all of them."""
    said = line(a_run(EXTRACTIONS, experiments=0), Snapshot(seconds(EXTRACTIONS[:1], 9), set(), 9))
    assert said.startswith("1 of 3 jobs done, ")


def test_features_weigh_more_than_heads() -> None:
    """`Half of the jobs are done, so it takes as long again`, before the first long one."""
    run = a_run([*HEADS, *EXTRACTIONS], at_once=1)
    done = seconds(HEADS, 1.0) | seconds(EXTRACTIONS[:1], 1000.0)
    assert seconds_left(run, Snapshot(done, set(), 1020.0)) == pytest.approx(2000)


def test_no_time_is_told_before_a_long_kind_is_known() -> None:
    """A guess from heads for the backbones."""
    run = a_run([*HEADS, *EXTRACTIONS])
    known = a_run([*HEADS, *EXTRACTIONS], earlier={"extract_features/ResNet18": 100.0})
    now = Snapshot(seconds(HEADS, 1.0), set(), 10.0)
    assert seconds_left(run, now) is None
    assert "left" not in line(run, now)
    assert seconds_left(known, now) == pytest.approx(150)


def test_what_waits_for_a_failed_job_takes_no_time() -> None:
    """Hours promised for a data set that could not be fetched; or no time told because of it."""
    download = Job("download", "net")
    waiting = {EXTRACTIONS[0]: [download], HEADS[0]: [EXTRACTIONS[0]], HEADS[10]: [HEADS[0]]}
    run = a_run([download, *EXTRACTIONS, *HEADS], needs=waiting, at_once=1)
    done = seconds([EXTRACTIONS[1], *HEADS[1:10], *HEADS[11:]], 10.0)
    elapsed = 10.0 * len(done)
    assert seconds_left(run, Snapshot(done, set(), elapsed)) is None
    assert seconds_left(run, Snapshot(done, {download}, elapsed)) == pytest.approx(10)


def test_what_starting_a_job_costs_counts() -> None:
    """`0 s left` for a hundred jobs that do nothing but start."""
    run = a_run(HEADS, at_once=1)
    now = Snapshot(seconds([*HEADS[:5], HEADS[10]], 0.0), set(), 6.0)
    assert seconds_left(run, now) == pytest.approx(14)


@given(
    st.lists(st.floats(0, 1e4), max_size=20),
    st.floats(0, 1e5),
    st.integers(0, 3),
    st.sampled_from([None, 1, 4]),
)
def test_any_moment_has_a_line(each, elapsed, failed, at_once) -> None:
    """A division by zero, or a negative time, that ends the thread."""
    done = dict(zip(HEADS, each, strict=False))
    said = line(a_run(HEADS, at_once=at_once), Snapshot(done, set(HEADS[:failed]), elapsed))
    assert "experiments done" in said
    assert "-" not in said and "\n" not in said


def test_watch_reads_only_logs_of_this_run_and_says_changes_once(tmp_path: Path) -> None:
    """Yesterday's logs counted, a running job called failed, or the same line again and again."""
    logs = {job: tmp_path / f"{number}.log" for number, job in enumerate(HEADS[:4])}
    old, done, failed, running = logs.values()
    said: list[str] = []
    old.write_text("cost: 1.00 s, 1 CPU s, 1 GB\n")
    started = time.time() + 100
    run = Run(logs, {}, 12, 2, lambda job: 1.0, started)
    watch = Watch(run, said.append, period=1000)
    try:
        watch.look()
        assert said == []
        for log, text in (
            (done, "cost: 1.00 s, 1 CPU s, 1 GB\n"),
            (failed, "\nerror: diverged\n"),
            (running, "epoch 1\n"),
        ):
            log.write_text(text)
            os.utime(log, (started + 1, started + 1))
        watch.look()
        watch.look()
        assert len(said) == 1
        assert "(1 of 4 jobs); 1 job failed" in said[0]
    finally:
        watch.end()
    assert len(said) == 1


def record(event: str | None, text: str = "text") -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, text, None, None)
    if event:
        made.event = event
    return made


def test_errors_pass_and_lines_about_jobs_do_not() -> None:
    """A failure that nobody sees, or 500 jobs that bury the line."""
    terminal, file = logging.NullHandler(), logging.NullHandler()
    terminal.name = "DefaultStreamHandler"
    assert progress.quiet([terminal, file])
    for event in ("job_error", "error", "run_info", None):
        assert terminal.filter(record(event))
    for event in ("job_info", "job_finished", "progress"):
        assert not terminal.filter(record(event))
        assert file.filter(record(event))
    assert not terminal.filter(record(None, "Select jobs to execute..."))
    assert not progress.quiet([file])


def test_names_of_events_are_snakemakes() -> None:
    """A filter that a new Snakemake renders empty."""
    from snakemake_interface_logger_plugins.common import LogEvent

    assert set(progress.LEFT_OUT) <= {str(event) for event in LogEvent}
    assert costs.COST.search("cost: 1.25 s, 1.00 CPU s, 0.10 GB")
