"""One experiment of the new data set, run within a number of seconds, for an advice."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metaprobe.config import layout
from metaprobe.core.children import run_for
from metaprobe.core.errors import PassingError
from metaprobe.core.files import read_checked_json, write_text
from metaprobe.core.jobs import MARK
from metaprobe.operations import lock
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.recommend.advice.bench import Trained
from metaprobe.recommend.advice.progress import Failed, OutOfTime

Command = Callable[[str], list[str]]
SECONDS_TO_STOP = 5.0  # that a Snakemake needs


def run_one(flow: Workflow, command: Command, configuration: str, deadline: float) -> Trained:
    """Let a Snakemake of its own run an experiment of the new data set, and return what it shows.

    Raises:
        OutOfTime: it would not end before the deadline (`time.monotonic`).
        Failed: it failed.
        PassingError: another run is at work on the same results.
    """
    task_id = str(flow.new)
    if running := lock.at_work(flow.results):
        raise PassingError(f"another run is at work on {flow.results}: {running}")
    file = flow.path(layout.FRAGMENT.format(dataset=task_id, configuration=configuration))
    start = time.monotonic()
    try:
        seconds = deadline - SECONDS_TO_STOP - start
        code, said = run_for(command(str(file)), seconds, SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        raise OutOfTime from None
    if code:
        log = flow.results / "advice" / task_id / f"{configuration}.log"
        write_text(log, said)
        raise Failed(f"{_reason(said)} (all of it: {log})")
    told = read_checked_json(file)
    drawn = read_checked_json(_drawn(flow, task_id, told))
    return Trained(
        float(told["validation_accuracy"]),
        time.monotonic() - start,
        len(drawn["indices"]),
        told["train_images"],
    )


def _drawn(flow: Workflow, task_id: str, fragment: dict[str, Any]) -> Path:
    images = fragment["validation_images"]
    return flow.path(layout.VALIDATION.format(dataset=task_id, images=images))


def _reason(said: str) -> str:
    """Return the line of a workflow's output that says why it failed: a job's own, or else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    of_jobs = [line.partition(MARK)[2] for line in lines if MARK in line]
    return (of_jobs or lines or ["it ended without a word"])[-1][:300]
