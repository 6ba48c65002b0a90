"""While a run goes on: how many experiments are done, at what rate, and how long the rest will take."""

import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from metaprobe.core import jobs
from metaprobe.operations import snakemake_coupling
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.planning import costs
from metaprobe.operations.planning.costs import Job, SizeOf
from metaprobe.operations.slurm.queue import what_a_run_waits_for

LONG = (
    *("extract_features", "train_head", "sweep_heads", "describe_resamples"),
    *("extract_part", "cache_activations", "tune_blocks"),
)
ON_TERMINAL, ELSEWHERE = 10.0, 60.0  # seconds between two lines
STILL, STILL_STILL = 60.0, 600.0  # seconds until a run in which nothing moves says why; and again


@dataclass(frozen=True)
class Snapshot:
    """How far a run is.

    Attributes:
        seconds: wall seconds of each job that has ended well.
        failed: jobs that have failed.
        elapsed: seconds since the run began.
    """

    seconds: Mapping[Job, float]
    failed: Set[Job]
    elapsed: float


@dataclass
class Run:
    """The jobs of a run, and what is known of them before it begins.

    Attributes:
        todo: the jobs it will run, by Snakemake's id.
        needs: of each job those of them that must be done before it.
        experiments: how many there are in all; 0 if the run is not for experiments.
        at_once: cores; None where jobs wait in a queue, so that time left cannot be told.
        earlier: seconds per unit of size by kind, from earlier runs.
    """

    todo: Mapping[int, Job]
    needs: Mapping[Job, Collection[Job]]
    experiments: int
    at_once: int | None
    size_of: SizeOf
    started: float
    earlier: Mapping[str, float] = field(default_factory=dict)


def line(run: Run, now: Snapshot) -> str:
    """`37 of 180 experiments done, 12 per minute, about 12 min left (60 of 90 jobs)`."""
    finished = sum(job.rule == "metrics_json" for job in now.seconds)
    waiting = sum(job.rule == "metrics_json" for job in run.todo.values())
    counted = f"{len(now.seconds)} of {len(run.todo)} jobs"
    parts, ending = [f"{counted} done"], ""
    if run.experiments:
        done = run.experiments - waiting + finished
        parts, ending = [f"{done} of {run.experiments} experiments done"], f" ({counted})"
        if finished:
            parts.append(rate(finished, now.elapsed))
    if left := seconds_left(run, now):
        parts.append(f"about {costs.duration(left)} left")
    if failures := len(now.failed):
        ending += f"; {failures} job{'s' if failures > 1 else ''} failed"
    return ", ".join(parts) + ending


def rate(finished: int, elapsed: float) -> str:
    """Experiments per minute, or per hour where that is less than one."""
    per_minute = 60 * finished / max(elapsed, 1.0)
    if per_minute < 1:
        return f"{60 * per_minute:.0f} per hour"
    return f"{per_minute:.0f} per minute"


def seconds_left(run: Run, now: Snapshot) -> float | None:
    """What the remaining jobs will take; None if there is no telling, as of hosts' downloads.

    Jobs that wait for a failed one will not run. Each other job costs what its kind has cost, in
    this run or else in an earlier one, and what starting a job has cost so far.
    """
    per_unit = {**run.earlier, **costs.rates(now.seconds, run.size_of)}
    remaining = {*run.todo.values()} - now.seconds.keys() - with_waiting(now.failed, run.needs)
    unknown = {job.kind for job in remaining if job.rule in LONG} - per_unit.keys()
    downloads = any(job.rule == "download" for job in remaining)
    if not run.at_once or not now.seconds or unknown or downloads:
        return None
    busy = sum(now.seconds.values())
    start_up = max(0.0, now.elapsed * run.at_once - busy) / len(now.seconds)
    ahead = costs.total(remaining, per_unit, run.size_of) + start_up * len(remaining)
    return ahead / run.at_once


def with_waiting(failed: Set[Job], needs: Mapping[Job, Collection[Job]]) -> set[Job]:
    """Failed jobs and all that wait for them."""
    found = set(failed)
    while more := {job for job, needed in needs.items() if not found.isdisjoint(needed)} - found:
        found |= more
    return found


class Watch:
    """Hears what becomes of the jobs, and prints a line now and then when something has changed."""

    def __init__(
        self,
        run: Run,
        say: Callable[[str], None],
        period: float,
        why_still: Callable[[], str] = lambda: "",
    ) -> None:
        self.run, self.say, self.period, self.why_still = run, say, period, why_still
        self.moved = self.told_still = time.monotonic()
        self.begun: dict[Job, float] = {}
        self.seconds: dict[Job, float] = {}
        self.failed: set[Job] = set()
        self.said = ""
        self.lock = threading.Lock()
        self.ended = threading.Event()
        threading.Thread(target=self._watch, name="progress", daemon=True).start()

    def _watch(self) -> None:
        while not self.ended.wait(self.period):
            self.look()

    def hear(self, event: str, number: int, moment: float, logs: Sequence[str] = ()) -> None:
        """Take note that a job has started, finished or failed; a failed one may start again."""
        job = self.run.todo.get(number)
        if job is None:
            return
        with self.lock:
            if event == "job_started":
                self.begun[job] = moment
                self.failed.discard(job)
            elif event == "job_finished":
                self.seconds[job] = moment - self.begun.get(job, moment)
            elif any(jobs.failure(Path(log)) for log in logs if Path(log).is_file()):
                self.failed.add(job)

    def look(self) -> None:
        """Print the line if it has changed."""
        with self.lock:
            elapsed = time.time() - self.run.started
            now = Snapshot(dict(self.seconds), set(self.failed), elapsed)
        counts = f"{len(now.seconds)} {len(now.failed)}"
        if counts != self.said and (now.seconds or now.failed):
            self.said, self.moved = counts, time.monotonic()
            self.say(line(self.run, now))
        elif not self.ended.is_set():
            self.look_still()

    def look_still(self) -> None:
        """Say why nothing moves, if nothing has for a while."""
        now = time.monotonic()
        told = self.told_still > self.moved
        if now - max(self.moved, self.told_still) < (STILL_STILL if told else STILL):
            return
        if reason := self.why_still():
            self.told_still = now
            self.say(reason)

    def end(self) -> None:
        """Print the last line."""
        self.ended.set()
        self.look()


def watch(workflow: Any, flow: Workflow, experiments: int, started: float) -> Watch:
    """Watch the run that Snakemake is about to start; see Run for the arguments."""
    todo, needs = snakemake_coupling.planned(workflow)
    size_of = costs.sizes(flow.used, flow.run.sources, flow.sizes)
    run = Run(
        todo=todo,
        needs=needs,
        experiments=experiments,
        at_once=snakemake_coupling.local_cores(workflow),
        size_of=size_of,
        started=started,
        earlier=costs.rates(costs.recorded(flow.logs), size_of),
    )
    period = ON_TERMINAL if sys.stderr.isatty() else ELSEWHERE
    on_slurm = snakemake_coupling.executor_name(workflow) == "slurm"
    why_still = partial(what_a_run_waits_for, Path.cwd()) if on_slurm else str
    watching = Watch(run, say, period, why_still)
    snakemake_coupling.listen(workflow, watching.hear)
    return watching


def say(text: str) -> None:
    """One line to the terminal, whole, whatever else is being printed."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
