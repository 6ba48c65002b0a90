"""The queue of a run: which of its jobs run and which wait, how long, and for what."""

import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metaprobe.operations.planning import costs
from metaprobe.operations.slurm.commands import ask
from metaprobe.operations.slurm.reasons import OF_WHOM

MARK = "rule_"  # what the comment of every job begins with that Snakemake submits
SUBMITTING = ".snakemake/metaprobe/slurm"
FORMAT = "%i|%T|%r|%V|%L|%j|%Z|%k"
RUNS = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "CONFIGURING", "SIGNALING", "STAGE_OUT")
MEANINGS = {
    "None": "Slurm has not looked at it yet",
    "Priority": "other jobs come first",
    "Resources": "no node is free for it",
    "Dependency": "waits for another job",
    "BeginTime": "it starts again later, as after a lost node",
    "PartitionDown": "the partition is closed: ask the administrators, or use another one",
    "PartitionInactive": "the partition is closed: ask the administrators, or use another one",
    "PartitionTimeLimit": "it asks for more time than the partition gives: lower its runtime",
    "PartitionNodeLimit": "it asks for more than the partition gives: lower its needs",
    "JobHeldUser": "held by hand: scontrol release {id}",
    "JobHeldAdmin": "held by an administrator",
    "JobHoldMaxRequeue": "it failed to start too often: scontrol release {id}",
    "launch failed requeued held": "its node could not start it: scontrol release {id}",
    "BadConstraints": "no node can ever run it: lower its needs",
    "InvalidAccount": "the account is not valid: set slurm_account",
    "InvalidQOS": "the QOS is not valid: set slurm-qos",
    "Reservation": "waits for a reservation",
    "ReqNodeNotAvail": "its nodes are down or reserved",
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions": (
        "its nodes are down or reserved"
    ),
    "NodeDown": "its node is down",
    "Licenses": "waits for a licence",
    "Cleaning": "Slurm cleans up after its earlier try",
}
LIMIT = re.compile(r"(QOS|Assoc)(Max|Min|Grp|Job|Time|Node|Resource|Usage)")


@dataclass(frozen=True)
class InQueue:
    """A job in the queue.

    Attributes:
        comment: `rule_extract_features_wildcards_MNIST_ResNet18`.
        reason: Slurm's word for what it waits for.
        waited: seconds since it was submitted.
        left: time left of a running one, as Slurm writes it.
        run: id of the run, the name of all of its jobs.
    """

    number: str
    state: str
    reason: str
    waited: float
    left: str
    run: str
    comment: str

    @property
    def rule(self) -> str:
        """The rule of the job."""
        return self.comment.removeprefix(MARK).partition("_wildcards_")[0]

    @property
    def runs(self) -> bool:
        """Whether it has begun and not ended."""
        return self.state in RUNS


def note_submitting(folder: Path) -> None:
    """Remember that a run in `folder` gives its jobs to Slurm."""
    (folder / SUBMITTING).parent.mkdir(parents=True, exist_ok=True)
    (folder / SUBMITTING).touch()


def read_queue_of_runs(folder: Path) -> list[InQueue] | None:
    """Return what `read_queue` does; where no run has given its jobs to Slurm, squeue is not asked."""
    return read_queue(folder) if (folder / SUBMITTING).exists() else []


def read_queue(folder: Path, seconds: float = 10.0) -> list[InQueue] | None:
    """Return what Snakemake has submitted from `folder` and is in the queue; None if squeue cannot
    be asked: it is not there, or does not answer within some seconds."""
    if shutil.which("squeue") is None:
        return None
    user = f"--user={os.getuid()}"
    answer = ask("squeue", user, "--noheader", f"--format={FORMAT}", seconds=seconds)
    return parse_queue(folder, answer.text, time.time()) if answer.well else None


def parse_queue(folder: Path, text: str, now: float) -> list[InQueue]:
    """Return the jobs in lines of FORMAT that Snakemake submitted from `folder`."""
    found = []
    for line in text.splitlines():
        fields = line.split("|", maxsplit=7)
        if len(fields) < 8 or not fields[7].startswith(MARK):
            continue
        number, state, reason, submitted, left, run, place, comment = fields
        if Path(place).resolve() == folder.resolve():
            waited = max(0.0, now - _moment(submitted, now))
            found.append(InQueue(number, state, reason, waited, left, run, comment))
    return found


def comment_of(log: str, logs: Path) -> str:
    """Return the comment of the Slurm job that writes a log.

    >>> comment_of("results/logs/extract_features/MNIST/ResNet18.log", Path("results/logs"))
    'rule_extract_features_wildcards_MNIST_ResNet18'
    """
    rule, *wildcards = Path(log).relative_to(logs).with_suffix("").parts
    return f"{MARK}{rule}_wildcards_{'_'.join(wildcards)}"


def meaning(reason: str, number: str = "") -> str:
    """Return Slurm's reason and what it means: `Priority (other jobs come first)`."""
    word = reason.partition(",")[0].strip("()")
    told = MEANINGS.get(word, "").format(id=number or "<its number>")
    if not told and (limit := LIMIT.match(word)):
        told = f"a limit of {OF_WHOM[limit[1]]} is reached; it starts when others have ended"
    return f"{word} ({told})" if told else word


def lines(queue: Sequence[InQueue]) -> list[str]:
    """Return the queue per rule: how many run and wait, for what, and how long."""
    found = []
    for rule in dict.fromkeys(job.rule for job in queue):
        of_rule = [job for job in queue if job.rule == rule]
        at_work = [job for job in of_rule if job.runs]
        parts = []
        if at_work:
            least = min((job.left for job in at_work), key=_seconds)
            parts.append(f"{len(at_work)} running (the first has {least} left of its time limit)")
        if waits := waiting(of_rule):
            parts.append(waits)
        found.append(f"  {rule}: {'; '.join(parts)}")
    return found


def waiting(queue: Iterable[InQueue]) -> str:
    """Return `9 wait, the longest for 12 min: Priority (...)`; nothing if none waits."""
    jobs = sorted((job for job in queue if not job.runs), key=lambda job: -job.waited)
    if not jobs:
        return ""
    number_of = {job.reason: job.number for job in reversed(jobs)}
    reasons = [
        meaning(reason, number_of[reason]) for reason in dict.fromkeys(j.reason for j in jobs)
    ]
    waits = "waits" if len(jobs) == 1 else "wait"
    longest = "" if len(jobs) == 1 else "the longest "
    return (
        f"{len(jobs)} {waits}, {longest}for {costs.duration(jobs[0].waited)}: {', '.join(reasons)}"
    )


def report(queue: Sequence[InQueue] | None) -> list[str]:
    """Return what `status` says of the queue of a run; nothing where there is no Slurm, or no job."""
    if queue is None:
        unknown = "Slurm's queue cannot be asked now: squeue gives no answer."
        return ["", unknown] if shutil.which("squeue") else []
    return ["", "In Slurm's queue:", *lines(queue)] if queue else []


def what_a_run_waits_for(folder: Path) -> str:
    """Return a sentence for a run in which nothing moves; nothing if none of its jobs waits."""
    queue = read_queue(folder)
    if queue is None:
        return "Slurm's queue gives no answer (squeue); the run goes on waiting for it"
    told = waiting(queue)
    return f"in Slurm's queue: {told}" if told else ""


def _moment(text: str, otherwise: float) -> float:
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return otherwise


def _seconds(left: str) -> float:
    """Seconds of `2-03:04:05`; infinite for UNLIMITED and the like."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", left)
    if not found:
        return float("inf")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
