"""What came out of a run, in words: which configuration is best, how sure that is, what to be wary of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metaprobe.report.comparison import Comparison
from metaprobe.report.data import Run
from metaprobe.tables.statistics import CONFIDENCE

NAMED = 3  # configurations that a sentence names
FEW = 4  # data sets that a sentence names
Row = Mapping[str, Any]


def title(run: Run, comparison: Comparison) -> str:
    """Return the answer in one line."""
    if run.experiments.empty:
        return "No experiment is done yet"
    if not comparison.tasks:
        return "No data set has all its configurations yet"
    where = _datasets(comparison.tasks)
    if len(comparison.mean_ranks) == 1:
        return f"{comparison.first} on {where}"
    if comparison.all_alike:
        return f"No configuration is clearly the best on {where}"
    doubt = " so far" if comparison.tasks < len(run.tasks) else ""
    if comparison.p is None and comparison.tasks > 1:
        doubt += ", too few to be sure"
    return f"{comparison.first} comes first on {where}{doubt}"


def lead(run: Run, comparison: Comparison, rows: Sequence[Row]) -> list[str]:
    """Return the sentences below it: by how much, and whether the differences are real."""
    if not rows:
        return []
    first, count = rows[0], len(rows)
    if count == 1:
        return [f"Its mean test accuracy is {first['accuracy']:.3f}."]
    if comparison.tasks == 1:
        return [_on_one_task(run, first), _certainty(comparison)]
    ends = ""
    if first["rank_low"] is not None:
        ends = f" (95 % interval {first['rank_low']:.2f} to {first['rank_high']:.2f})"
    return [
        f"{first['configuration']} has the best mean rank, {first['rank']:.2f}{ends} among {count} "
        f"configurations, where 1 would be the best on every data set. It is the best on "
        f"{first['best_on']} of {comparison.tasks}{_best_elsewhere(run, comparison)}. Its mean test "
        f"accuracy is {first['accuracy']:.3f}.",
        _certainty(comparison),
    ]


def _best_elsewhere(run: Run, comparison: Comparison) -> str:
    """Return what is the best where the first is not: of few data sets by name, of many on how many."""
    names = np.array(run.configurations)
    column = run.configurations.index(comparison.first)
    elsewhere = run.whole_tasks & (run.regret[:, column] > 0)
    best = {
        run.tasks[row]: str(names[np.argmin(run.regret[row])]) for row in elsewhere.nonzero()[0]
    }
    if not best:
        return ""
    if len(best) <= FEW:
        return "; " + ", ".join(f"{name} on {task}" for task, name in best.items())
    counts = Counter(best.values()).most_common()
    others = len(counts) - NAMED
    more = f", {others} others on {sum(n for _, n in counts[NAMED:])}" if others > 0 else ""
    return "; " + ", ".join(f"{name} on {count}" for name, count in counts[:NAMED]) + more


def _on_one_task(run: Run, first: Row) -> str:
    task = next(one for one, whole in zip(run.tasks, run.whole_tasks, strict=True) if whole)
    said = (
        f"On {task}, {first['configuration']} reaches a test accuracy of {first['accuracy']:.3f}."
    )
    alike = as_good(run, task, first["configuration"])
    if alike is None:
        return said
    others = len(run.configurations) - 1
    return f"{said} Its test images tell it apart from {others - alike} of the other {others}."


def _certainty(comparison: Comparison) -> str:
    """Return whether the differences between configurations are real."""
    if comparison.p is None:
        return (
            "Which of them differ on other data sets, too, cannot be tested. A test counts whole families "
            f"of related tasks, here {comparison.families}; at least {comparison.needed} are needed "
            f"to tell {len(comparison.mean_ranks)} configurations apart."
        )
    if comparison.all_alike:
        return (
            "Between these configurations there is no difference that this table can show: what "
            "comes first here may be luck."
        )
    apart = dict(zip(comparison.mean_ranks, comparison.apart, strict=True))
    alike = [name for name, is_apart in apart.items() if not is_apart][1:]
    others = len(apart) - 1
    if not alike:
        return (
            "It is told apart from all others: more than chance."
            if others > 1
            else "More than chance."
        )
    named = ", ".join(alike[:NAMED])
    more = f" and {len(alike) - NAMED} more" if len(alike) > NAMED else ""
    return (
        f"It is told apart from {others - len(alike)} of the other {others}, more than chance; {named}{more} "
        "may be as good."
    )


def as_good(run: Run, task: str, configuration: str) -> int | None:
    """Return from how many others the test images of a task do not tell a configuration apart."""
    if run.comparisons is None:
        return None
    pairs = run.comparisons[run.comparisons.task_id == task]
    own = (pairs.configuration_a == configuration) | (pairs.configuration_b == configuration)
    return int((pairs[own].holm_p >= 1 - CONFIDENCE).sum())


def warnings(run: Run) -> list[str]:
    """Return what a reader must know before believing any number."""
    found = []
    weights = [] if run.experiments.empty else list(map(str, run.experiments.weights_id))
    random = [one for one in dict.fromkeys(weights) if one.startswith("random")]
    if random:
        found.append(
            f"The weights are {', '.join(random)}, not trained: the numbers show that the workflow "
            "runs, and say nothing of what these networks can do."
        )
    if run.count("done") < len(run.states):
        found.append(
            f"{run.count('done')} of {len(run.states)} experiments are done, "
            f"{run.count('failed')} failed. What compares configurations counts only the data sets "
            "on which all are done."
        )
    return found


def facts(run: Run, comparison: Comparison, hours: float) -> dict[str, str]:
    """Return the few numbers that say what was asked."""
    found = {
        "data sets × configurations": f"{len(run.tasks)} × {len(run.configurations)}",
        "experiments done": f"{run.count('done')} of {len(run.states)}",
    }
    if run.experiments.empty:
        return found
    heads = dict.fromkeys(map(str, run.experiments.replicates))
    return found | {
        "families of related data sets": str(len(set(run.families))),
        "trained heads per experiment": ", ".join(heads),
        "hours, summed over jobs": f"{hours:.2f}",
    }


def _datasets(count: int) -> str:
    return f"{count} data set{'s' if count > 1 else ''}"
