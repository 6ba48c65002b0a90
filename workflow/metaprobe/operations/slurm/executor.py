"""All that depends on how Snakemake's Slurm plugin works inside: what it tells of jobs, a queue that is
full, and the end of a run that is stopped.

The plugin forgets its jobs while it asks for their states, and then cancels none; here they are kept.
"""

import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from metaprobe.core import jobs
from metaprobe.operations.slurm import reasons
from metaprobe.operations.slurm.commands import QUICK, ask

PAUSE = 30.0  # s until a queue that was full is tried again
AGAIN = 600.0  # s until it is said again that it is full
NOT_ENDED = ("PENDING", "RUNNING", "COMPLETING")  # the accounting may be late
IN_FLIGHT = 1.0  # s that a submission may take to end when the run is stopped


def say(text: str) -> None:
    """Print one line to the terminal, whole."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class Failed:
    """A job that failed: its number in Slurm, if it has one, its rule, and where Slurm's log is."""

    number: str
    rule: str
    slurm_log: str


@dataclass
class Watched:
    """The jobs of a run that are, or were, in Slurm's queue.

    Attributes:
        run: the name of all of its jobs in Slurm.
        queued: number of each that has not ended -> its log.
        failed: log -> the last failure.
        certain: the logs of failed jobs that tell why.
        before: log -> its inode when the job was submitted; a job that has begun has another.
    """

    run: str
    queued: dict[str, Path] = field(default_factory=dict)
    failed: dict[Path, Failed] = field(default_factory=dict)
    certain: set[Path] = field(default_factory=set)
    before: dict[Path, int] = field(default_factory=dict)
    stopped: bool = False

    def submitting(self, job: Any) -> None:
        """Take note of the log that an earlier run, or try, of a job has left."""
        for log in log_of(job):
            self.before[log] = inode_of(log)

    def submitted(self, info: Any) -> None:
        """Take note that Slurm has taken a job."""
        for log in log_of(info.job):
            self.queued[info.external_jobid] = log
            self.failed.pop(log, None)

    def succeeded(self, info: Any) -> None:
        """Take note that a job has ended well."""
        self.queued.pop(info.external_jobid, None)

    def failure(self, info: Any, message: str) -> None:
        """Take note that a job has failed, and write into its log what Slurm said, if it is all
        that is known; `explain` finds out more."""
        self.queued.pop(info.external_jobid, None)
        if self.stopped:
            return
        for log in log_of(info.job):
            rule = info.job.rule.name
            slurm_log = str((info.aux or {}).get("slurm_logfile", ".snakemake/slurm_logs"))
            self.failed[log] = Failed(info.external_jobid or "", rule, slurm_log)
            self.certain.discard(log)
            if said := reasons.refusal(message):
                self.certain.add(log)
                jobs.end_log(log, f"{jobs.MARK}{reasons.refused(rule, said)}")
            elif inode_of(log) != self.before.get(log) and jobs.has_own_reason(log):
                self.certain.add(log)
            else:
                told = reasons.Told(reasons.status_in(message))
                if because := reasons.because(rule, told):
                    jobs.end_log(log, f"{jobs.MARK}{because}")

    def explain(self) -> None:
        """Ask Slurm once why the failed jobs failed, and write it with its numbers into their logs."""
        asked = {one.number: log for log, one in self.failed.items() if one.number}
        told = reasons.look_up(list(asked))
        for number, log in asked.items():
            if number not in told or log in self.certain or told[number].state in NOT_ENDED:
                continue
            one = self.failed[log]
            because = reasons.because(one.rule, told[number])
            because = because or reasons.by_code(told[number], one.slurm_log)
            jobs.end_log(log, f"{jobs.MARK}{because}")

    def stop(self) -> list[str]:
        """Cancel what is left in Slurm's queue, within some seconds; return what to say of it."""
        self.stopped = True
        left = dict(self.queued)
        for log in left.values():
            jobs.end_log(log, jobs.INTERRUPTED)
        command = f"scancel --name={self.run}"
        cancelled = ask("scancel", f"--name={self.run}", "--quiet", seconds=QUICK)
        if not cancelled.well:
            if not left:
                return []
            why = cancelled.error.replace("\n", "; ")
            numbers = " ".join(left)
            return [
                f"{len(left)} Slurm job{'s' * (len(left) > 1)} of this run could NOT be cancelled "
                f"({why}): {numbers}",
                f"They may still run. When Slurm answers again: {command}",
            ]
        self.queued.clear()
        if not left:
            return []
        states = "--states=PENDING,RUNNING,SUSPENDED"
        queue = ask(
            "squeue", f"--name={self.run}", states, "--noheader", "--format=%i", seconds=QUICK
        )
        if queue.well and (still := queue.text.split()):
            return [f"still in Slurm's queue: {' '.join(still)}. Cancel them: {command}"]
        count = f"{len(left)} Slurm job{'s' * (len(left) > 1)} of this run"
        if queue.well:
            return [f"{count} cancelled."]
        return [
            f"{count} cancelled; squeue gives no answer, so look later: squeue --name={self.run}"
        ]


class Later:
    """Jobs that Slurm did not take as its queue was full: each is submitted as soon as it takes one."""

    def __init__(self, submit: Callable[[Any], None], pause: float = PAUSE) -> None:
        self.submit, self.pause = submit, pause
        self.waiting: deque[Any] = deque()
        self.timer: threading.Timer | None = None
        self.lock = threading.Lock()
        self.said, self.said_at = "", 0.0

    def add(self, job: Any, said: str) -> None:
        """Keep a job that was refused, and try one again after a pause."""
        with self.lock:
            self.waiting.append(job)
            if self.timer is None:
                self.timer = threading.Timer(self.pause, self._again)
                self.timer.daemon = True
                self.timer.start()
        now = time.monotonic()
        if said != self.said or now - self.said_at > AGAIN:
            self.said, self.said_at = said, now
            say(
                f'Slurm takes no more jobs for now ("{said}"): the run goes on, and they are '
                "submitted as soon as it does"
            )

    def _again(self) -> None:
        with self.lock:
            self.timer = None
        self.next()

    def next(self) -> None:
        """Submit one of those that wait, as Slurm has just taken another, or may take one again."""
        with self.lock:
            job = self.waiting.popleft() if self.waiting and self.timer is None else None
        if job is not None:
            self.submit(job)

    def end(self) -> None:
        """Submit none of them any more."""
        with self.lock:
            self.waiting.clear()
            if self.timer:
                self.timer.cancel()


def attach(executor: Any, pause: float = PAUSE) -> Watched:
    """Let the plugin's executor tell of its jobs, wait where Slurm is full, and stop at once."""
    watched = Watched(executor.run_uuid)
    pool = executor._job_submission_executor

    def submit(job: Any) -> None:
        if not watched.stopped:
            pool.submit(executor.run_job, job)

    later = Later(submit, pause)
    run_job = executor.run_job
    submission, success = executor.report_job_submission, executor.report_job_success
    error, refused = executor.report_job_error, executor._report_job_error_threadsafe

    def run(job: Any) -> None:
        watched.submitting(job)
        run_job(job)

    def report_submission(info: Any, *arguments: Any, **options: Any) -> None:
        watched.submitted(info)
        submission(info, *arguments, **options)
        later.next()

    def report_success(info: Any) -> None:
        watched.succeeded(info)
        success(info)

    def report_error(info: Any, msg: str | None = None, **options: Any) -> None:
        watched.failure(info, msg or "")
        error(info, msg=msg, **options)

    def report_refused(info: Any, msg: str) -> None:
        said = reasons.refusal(msg)
        if watched.stopped:
            return
        if reasons.passes(said):
            later.add(info.job, said)
        else:
            refused(info, msg)

    def cancel() -> None:
        executor.wait = False  # its thread may sit in a query for minutes: it ends with the process
        watched.stopped = True
        later.end()
        ending = threading.Thread(
            target=pool.shutdown, kwargs={"wait": True, "cancel_futures": True}, daemon=True
        )
        ending.start()
        ending.join(IN_FLIGHT)
        end_submissions()
        for line in watched.stop():
            say(line)
        shutil.rmtree(executor.tmpdir, ignore_errors=True)

    executor.run_job = run
    executor.report_job_submission = report_submission
    executor.report_job_success = report_success
    executor.report_job_error = report_error
    executor._report_job_error_threadsafe = report_refused
    executor.cancel = cancel
    executor._fallback_account_arg = ""  # the plugin's guess never works, and looks like an error
    return watched


def end_submissions() -> None:
    """End each `sbatch` of this process that waits for Slurm's answer, and would be waited for."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            last = "".join(child.cmdline()[-1:])  # as in sh -c "sbatch ..."
            if child.name() == "sbatch" or last.startswith("sbatch "):
                child.kill()


def log_of(job: Any) -> list[Path]:
    """Return the log of a job; none if its rule has none."""
    return [Path(log) for log in job.log][:1]


def inode_of(log: Path) -> int:
    """Return which file a log is; 0 if it is not there."""
    return log.stat().st_ino if log.is_file() else 0


def lower_jobs(scheduler: Any, most: int) -> bool:
    """Let the scheduler have at most so many jobs in flight; return whether that is fewer."""
    if most >= scheduler.global_resources["_nodes"]:
        return False
    less = scheduler.global_resources["_nodes"] - most
    scheduler.global_resources["_nodes"] = most
    scheduler.resources["_nodes"] -= less
    return True
