"""The report's pictures of cost and of recommendations."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from metaprobe.report.data import Run, hours
from metaprobe.report.style import (
    COLOURS,
    MARKERS,
    Figure,
    in_turn,
    shortened,
    subplots,
    to_svg,
    whiskers,
)

PROTOCOLS = {"task": "one task held out", "family": "its whole family held out"}


def accuracy_against_cost(run: Run) -> Figure:
    """Draw mean accuracy and mean cost of each configuration over the tasks on which all are done."""
    figure, axes = subplots(6.5, 4)
    whole = [task for task, there in zip(run.tasks, run.whole_tasks, strict=True) if there]
    done = run.experiments[run.experiments.task_id.isin(whole)]
    points = done.groupby("configuration", sort=False).agg(
        architecture=("architecture", "first"),
        seconds=("training_time_sec", fmean),
        accuracy=("test_accuracy", fmean),
    )
    colour, marker = (in_turn(points.architecture, values) for values in (COLOURS, MARKERS))
    for name, own in points.groupby("architecture", sort=False):
        shape = {"marker": marker[str(name)], "color": colour[str(name)]}
        axes.scatter(own.seconds, own.accuracy, s=40, label=name, **shape)
    axes.set_xlabel("mean seconds of an experiment alone")
    axes.set_ylabel("mean test accuracy")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    best, cheapest = (
        f"{own.Index} ({own.accuracy:.3f} in {own.seconds:.1f} s)"
        for own in points.loc[[points.accuracy.idxmax(), points.seconds.idxmin()]].itertuples()
    )
    sentence = (
        f"Up is better, left is cheaper. The most accurate on average is {best}, the cheapest "
        f"{cheapest}. Times depend on the machine."
    )
    return Figure("cost", "Accuracy against cost", sentence, to_svg(figure))


def hours_by_phase(run: Run) -> Figure:
    """Draw hours by phase."""
    phases = hours(run)
    figure, axes = subplots(6.5, 0.9 + 0.3 * len(phases))
    y = range(len(phases))
    axes.barh(y, list(phases.values()), color=[COLOURS[0]] * (len(phases) - 1) + [COLOURS[1]])
    axes.set_yticks(y, list(phases))
    axes.invert_yaxis()
    axes.set_xlabel("hours, summed over jobs")
    total = sum(phases.values())
    share = 100 * phases["heads"] / total if total else 0
    sentence = (
        f"All {len(run.experiments)} experiments took {total:.2f} hours of features and heads; training "
        f"the heads was {share:.1f} % of it, as each picture passes each backbone once."
    )
    return Figure("hours", "Where the hours went", sentence, to_svg(figure))


def recommenders(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the regret of each recommender with its interval, of the rows of an evaluation."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    protocols = [name for name in PROTOCOLS if any(row["protocol"] == name for row in rows)]
    figure, axes = subplots(6.5, 1.2 + 0.35 * len(methods))
    for shift, protocol in enumerate(protocols):
        own = {row["method"]: row for row in rows if row["protocol"] == protocol}
        there = [(i, own[name]) for i, name in enumerate(methods) if name in own]
        means = [row["regret_points"] for _, row in there]
        axes.errorbar(
            means,
            [i + 0.25 * shift for i, _ in there],
            xerr=whiskers([row for _, row in there], "regret_points"),
            fmt="os"[shift],
            color=COLOURS[shift],
            label=PROTOCOLS[protocol],
            capsize=2,
        )
    axes.set_yticks([i + 0.12 for i in range(len(methods))], [shortened(name) for name in methods])
    axes.invert_yaxis()
    axes.set_xlabel("regret in accuracy points, mean and interval over families")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8)
    told = {
        row["method"]: row["conclusion"]
        for row in rows
        if row["protocol"] == protocols[-1] and row["holm_p"] is not None
    }
    alike = len(set(told.values())) == 1
    conclusions = set(told.values()) if alike else map(": ".join, told.items())
    sentence = (
        "What following each recommender costs on a data set it has not seen; 0 would be the best "
        "choice every time. Against the global best: " + "; ".join(conclusions) + "."
    )
    return Figure("recommenders", "Does a recommendation help?", sentence, to_svg(figure))
