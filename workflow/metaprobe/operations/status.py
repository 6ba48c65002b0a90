"""How far a run is: which experiments are done, running, waiting, failed (and why), or missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from metaprobe.core import jobs
from metaprobe.core.errors import UserError
from metaprobe.core.processes import Process
from metaprobe.operations import lock
from metaprobe.operations.flow.stages import all_stages
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.outdated import find_outdated
from metaprobe.operations.slurm.queue import InQueue, comment_of
from metaprobe.training.fragment import (
    Expected,
    Experiment,
    Fragment,
    check_same_pictures,
    read_fragment,
)

# `missing`: nobody is at work on it; `outdated`: its fragment is of other settings.
SIGNS = {
    "done": "#",
    "running": ">",
    "waiting": "-",
    "outdated": "o",
    "failed": "x",
    "missing": ".",
}
ALWAYS_COUNTED = ("done", "failed", "missing")
WIDTH = 80
DIVERGED = "diverged at epoch"
NOTHING_YET = "No experiment is finished yet"
# A run is at work once it has planned its jobs: Snakemake locks its folder then, and not before.
NOBODY_AT_WORK = (
    "no run is at work. snakemake --cores 4 starts it,\n"
    "with the same --configfile and --config as here. (A run that has just begun\n"
    "plans its jobs, and is not seen for some seconds.)"
)
Stage = tuple[str, str]


@dataclass(frozen=True)
class State:
    """Of one experiment: a name of SIGNS; and of a failure the stage and the reason, of a running job
    the stage and since when it runs."""

    name: str
    stage: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Evidence:
    """What tells states beside the files of an experiment.

    Attributes:
        outdated: file -> what of its settings is not the run's, as `find_outdated` returns it.
        at_work: the process of the run that is going on, if there is one.
        elsewhere: log -> `running` or `waiting`, of the jobs in the queue of a cluster.
    """

    outdated: Mapping[Path, str] = field(default_factory=dict)
    at_work: Process | None = None
    elsewhere: Mapping[str, str] = field(default_factory=dict)


NOTHING = Evidence()


def gather(flow: Workflow, queue: Sequence[InQueue] = ()) -> Evidence:
    """Return the evidence of a run, as it is now; `queue`: its jobs in Slurm's."""
    return Evidence(find_outdated(flow), lock.at_work(flow.results), in_queue(flow, queue))


def in_queue(flow: Workflow, queue: Sequence[InQueue]) -> dict[str, str]:
    """Return the logs of the jobs that are in Slurm's queue, and whether they run or wait there."""
    states = {job.comment: "running" if job.runs else "waiting" for job in queue}
    logs = {log for stages in all_stages(flow).values() for log, _ in stages} if queue else set()
    comments = {log: comment_of(log, flow.logs) for log in logs}
    return {log: states[comment] for log, comment in comments.items() if comment in states}


def read_experiments(
    stages: Mapping[Experiment, Sequence[Stage]],
    expected: Expected,
    evidence: Evidence = NOTHING,
) -> tuple[dict[Experiment, State], dict[Experiment, Fragment]]:
    """The state of each experiment, and the fragment of each that is done.

    Args:
        stages: of each experiment its jobs, first to last, as (log, output); the last output is
            the fragment. A log without its output tells why it is missing.
        expected: see `fragment.Expected`.
    """
    states: dict[Experiment, State] = {}
    fragments: dict[Experiment, Fragment] = {}
    pictures: dict[str, str] = {}
    for experiment, of_experiment in stages.items():
        files = [Path(output) for _, output in of_experiment]
        old = next((evidence.outdated[one] for one in files if one in evidence.outdated), "")
        unfinished = _unfinished(of_experiment, evidence)
        if unfinished and (unfinished.name == "running" or not files[-1].is_file()):
            states[experiment] = unfinished
        elif old:
            states[experiment] = State("outdated", "fragment", old)
        elif not files[-1].is_file():
            states[experiment] = State("waiting" if evidence.at_work else "missing")
        else:
            try:
                found = read_fragment(files[-1], *experiment, expected.get(experiment, {}))
                check_same_pictures(found, files[-1], pictures)
                fragments[experiment], states[experiment] = found, State("done")
            except UserError as error:
                states[experiment] = State("failed", "fragment", str(error))
    return states, fragments


def read_states(
    stages: Mapping[Experiment, Sequence[Stage]],
    expected: Expected,
    evidence: Evidence = NOTHING,
) -> dict[Experiment, State]:
    """The states that `read_experiments` finds."""
    return read_experiments(stages, expected, evidence)[0]


def _unfinished(stages: Sequence[Stage], evidence: Evidence) -> State | None:
    """The first of an experiment's jobs that runs or has failed; None if there is none."""
    for log, output in stages:
        queued = evidence.elsewhere.get(log)
        if queued == "waiting":
            return State("waiting")
        if not Path(log).is_file():
            if queued:  # its Snakemake is about to begin
                return State("running", log)
            continue
        found = jobs.outcome(Path(log))
        of_this_run = evidence.at_work and found.controller == evidence.at_work.number
        if found.state == "running" or queued or of_this_run:
            return State("running", log, found.since)
        if found.state in ("failed", "unknown") and not Path(output).is_file():
            return State("failed", log, found.reason)
    return None


def report(states: Mapping[Experiment, State]) -> str:
    """The grid of all experiments, the sums, and the failures with their reasons."""
    names = list(dict.fromkeys(configuration for _, configuration in states))
    tasks = list(dict.fromkeys(task_id for task_id, _ in states))
    margin = max(map(len, tasks)) + 2
    numbers = [str(number) for number in range(1, len(names) + 1)]
    cell = max(map(len, numbers)) + 1
    lines = []
    present = {state.name for state in states.values()}
    shown = [name for name in SIGNS if name in present or name in ALWAYS_COUNTED]
    if margin + cell * len(names) <= WIDTH:
        lines.append(" " * margin + "".join(number.rjust(cell) for number in numbers))
        for task_id in tasks:
            signs = (SIGNS[states[task_id, name].name] for name in names)
            lines.append(task_id.ljust(margin) + "".join(sign.rjust(cell) for sign in signs))
        lines += ["", *wrapped([*map(" ".join, zip(numbers, names, strict=True))])]
    else:
        for task_id in tasks:
            found = [states[task_id, name].name for name in names]
            counts = (f"{found.count(name):>5} {name}" for name in shown)
            lines.append(task_id.ljust(margin) + "".join(counts))
    found = [state.name for state in states.values()]
    diverged = sum(state.reason.startswith(DIVERGED) for state in states.values())
    also = {"failed": f" ({diverged} diverged)" if diverged else ""}
    sums = [f"{SIGNS[name]} {found.count(name)} {name}{also.get(name, '')}" for name in shown]
    lines += ["", ", ".join(sums) + f", of {len(states)} experiments"]
    if present == {"missing"}:
        lines.append(f"{NOTHING_YET}, {NOBODY_AT_WORK}")
    return "\n".join([*lines, *running(states), *failures(states)])


def running(states: Mapping[Experiment, State]) -> list[str]:
    """One line per job that runs: its log tells more."""
    found = {state.stage: state.reason for state in states.values() if state.name == "running"}
    lines = [f"running{since and f' since {since}'}: {log}" for log, since in sorted(found.items())]
    return ["", *lines] if lines else []


def failures(states: Mapping[Experiment, State]) -> list[str]:
    """One paragraph per failed job, with the experiments that wait for it, and per reason that
    something is outdated."""
    failed = [
        (state.stage, f"outdated: {state.reason}" * (state.name == "outdated") or state.reason, one)
        for one, state in states.items()
        if state.name in ("failed", "outdated")
    ]
    lines = []
    for (stage, reason), group in groupby(sorted(failed), key=lambda item: item[:2]):
        experiments = ["/".join(experiment) for _, _, experiment in group]
        also = f" and {len(experiments) - 1} more" if len(experiments) > 1 else ""
        where = "" if stage == "fragment" else f" ({stage})"
        lines += ["", f"{experiments[0]}{also}: {reason}{where}"]
    return lines


def wrapped(words: Sequence[str]) -> list[str]:
    """Words in lines of at most WIDTH characters, two spaces apart; a word is not broken."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 2 + len(word) > WIDTH:
            lines.append("")
        lines[-1] += ("  " if lines[-1] else "") + word
    return lines
