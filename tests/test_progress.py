"""The progress line: experiments done, rate, time left; quiet where it would drown or disturb."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaprobe.operations.planning.costs import Job
from metaprobe.operations.progress import Run, Snapshot, Watch, line, seconds_left

HEADS = [Job(rule, f"One/{n}") for rule in ("train_head", "metrics_json") for n in range(10)]
EXTRACTIONS = [Job("extract_features", f"{task}/ResNet18") for task in ("One", "Two", "Three")]


def a_run(todo, **changes) -> Run:
    settings = {
        "todo": dict(enumerate(todo)),
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


def test_watch_hears_of_jobs_and_says_changes_once(tmp_path: Path) -> None:
    """A running or interrupted job called failed, another run's job counted, or the same line again and again."""
    said: list[str] = []
    failed, interrupted = tmp_path / "failed.log", tmp_path / "interrupted.log"
    failed.write_text("error: diverged\n")
    interrupted.write_text("epoch 1\ninterrupted\n")
    watch = Watch(a_run(HEADS[:4], started=time.time()), said.append, period=1000)
    try:
        watch.hear("job_started", 0, 100.0)
        watch.hear("job_started", 1, 100.0)
        watch.look()
        assert said == []
        watch.hear("job_finished", 0, 103.0)
        watch.hear("job_error", 1, 104.0, [str(failed)])
        watch.hear("job_error", 2, 104.0, [str(interrupted)])
        watch.hear("job_finished", 99, 104.0)
        watch.look()
        watch.look()
        assert len(said) == 1
        assert "(1 of 4 jobs); 1 job failed" in said[0]
        assert watch.seconds == {HEADS[0]: 3.0}
    finally:
        watch.end()
    assert len(said) == 1


def test_a_job_that_is_tried_again_has_not_failed(tmp_path: Path) -> None:
    """`1 job failed` for a job that the cluster's second try has finished."""
    said: list[str] = []
    watch = Watch(a_run(HEADS[:4], started=time.time()), said.append, period=1000)
    log = tmp_path / "a.log"
    log.write_text("error: out of memory\n")
    for event, moment in (("started", 1.0), ("error", 2.0), ("started", 3.0), ("finished", 5.0)):
        watch.hear(f"job_{event}", 0, moment, [str(log)])
    watch.end()
    assert len(said) == 1 and "failed" not in said[0]
    assert watch.seconds == {HEADS[0]: 2.0}
