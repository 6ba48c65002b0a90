"""How far a run is: which experiments are done, failed (and why), or missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from metaprobe.core import jobs
from metaprobe.core.errors import UserError
from metaprobe.training.fragment import Expected, Experiment, Fragment, read_fragment

SIGNS = {"done": "#", "failed": "x", "missing": "."}
WIDTH = 80
DIVERGED = "diverged at epoch"
Stage = tuple[str, str]


@dataclass(frozen=True)
class State:
    """Of one experiment: `done`, `failed` or `missing`; and of a failure the stage and the reason."""

    name: str
    stage: str = ""
    reason: str = ""


def read_experiments(
    stages: Mapping[Experiment, Sequence[Stage]], expected: Expected
) -> tuple[dict[Experiment, State], dict[Experiment, Fragment]]:
    """The state of each experiment, and the fragment of each that is done.

    Args:
        stages: of each experiment its jobs, first to last, as (log, output); the last output is
            the fragment. A log without its output tells why it is missing.
        expected: see `fragment.Expected`.
    """
    states: dict[Experiment, State] = {}
    fragments: dict[Experiment, Fragment] = {}
    for experiment, of_experiment in stages.items():
        _, file = of_experiment[-1]
        if not Path(file).is_file():
            states[experiment] = failure_of(of_experiment)
            continue
        try:
            fragments[experiment] = read_fragment(file, *experiment, expected.get(experiment, {}))
            states[experiment] = State("done")
        except UserError as error:
            states[experiment] = State("failed", "fragment", str(error))
    return states, fragments


def read_states(
    stages: Mapping[Experiment, Sequence[Stage]], expected: Expected
) -> dict[Experiment, State]:
    """The states that `read_experiments` finds."""
    return read_experiments(stages, expected)[0]


def failure_of(stages: Sequence[Stage]) -> State:
    """The first of an experiment's jobs that failed and whose output is not there."""
    for log, output in stages:
        if Path(output).is_file() or not Path(log).is_file():
            continue
        if reason := jobs.failure(Path(log)):
            return State("failed", log, reason)
    return State("missing")


def report(states: Mapping[Experiment, State]) -> str:
    """The grid of all experiments, the sums, and the failures with their reasons."""
    names = list(dict.fromkeys(configuration for _, configuration in states))
    tasks = list(dict.fromkeys(task_id for task_id, _ in states))
    margin = max(map(len, tasks)) + 2
    numbers = [str(number) for number in range(1, len(names) + 1)]
    cell = max(map(len, numbers)) + 1
    lines = []
    if margin + cell * len(names) <= WIDTH:
        lines.append(" " * margin + "".join(number.rjust(cell) for number in numbers))
        for task_id in tasks:
            signs = (SIGNS[states[task_id, name].name] for name in names)
            lines.append(task_id.ljust(margin) + "".join(sign.rjust(cell) for sign in signs))
        lines += ["", *wrapped([*map(" ".join, zip(numbers, names, strict=True))])]
    else:
        for task_id in tasks:
            found = [states[task_id, name].name for name in names]
            counts = (f"{found.count(name):>5} {name}" for name in SIGNS)
            lines.append(task_id.ljust(margin) + "".join(counts))
    found = [state.name for state in states.values()]
    diverged = sum(state.reason.startswith(DIVERGED) for state in states.values())
    sums = [f"{SIGNS[name]} {found.count(name)} {name}" for name in SIGNS]
    if diverged:
        sums[1] += f" ({diverged} diverged)"
    lines += ["", ", ".join(sums) + f", of {len(states)} experiments"]
    if not found.count("done"):
        lines.append("No experiment is finished yet: snakemake --cores 4 starts the run.")
    return "\n".join(lines + failures(states))


def failures(states: Mapping[Experiment, State]) -> list[str]:
    """One paragraph per failed job, with the experiments that wait for it."""
    failed = [(state.stage, state.reason, one) for one, state in states.items() if state.stage]
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
