"""The report's pictures of cost and of recommendations."""

import math
from statistics import fmean

from metaprobe.report.data import Run, hours
from metaprobe.report.style import COLOURS, Figure, colours, markers, shortened, subplots, to_svg

PROTOCOLS = {"task": "one task held out", "family": "its whole family held out"}


def accuracy_against_cost(run: Run) -> Figure:
    """Draw mean accuracy and mean cost of each configuration over the tasks on which all are done."""
    figure, axes = subplots(6.5, 4)
    whole = [task for task, there in zip(run.tasks, run.whole_tasks, strict=True) if there]
    done = run.experiments[run.experiments.task_id.isin(whole)]
    points = {
        str(name): (
            own.architecture.iloc[0],
            fmean(own.training_time_sec),
            fmean(own.test_accuracy),
        )
        for name, own in done.groupby("configuration", sort=False)
    }
    architectures = [architecture for architecture, _, _ in points.values()]
    colour, marker = colours(architectures), markers(architectures)
    drawn = set()
    for architecture, cost, accuracy in points.values():
        label = None if architecture in drawn else architecture
        drawn.add(architecture)
        shape = {"marker": marker[architecture], "color": colour[architecture]}
        axes.scatter(cost, accuracy, s=40, label=label, **shape)
    axes.set_xlabel("mean seconds of an experiment alone")
    axes.set_ylabel("mean test accuracy")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    best = max(points, key=lambda name: points[name][2])
    cheapest = min(points, key=lambda name: points[name][1])
    sentence = (
        f"Up is better, left is cheaper. The most accurate on average is {best} "
        f"({points[best][2]:.3f} in {points[best][1]:.1f} s), the cheapest {cheapest} "
        f"({points[cheapest][2]:.3f} in {points[cheapest][1]:.1f} s). Times depend on the machine."
    )
    return Figure("cost", "Accuracy against cost", sentence, to_svg(figure))


def where_the_hours_went(run: Run) -> Figure:
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


def recommenders(run: Run) -> Figure | None:
    """Draw the regret of each recommender with its interval; None without an evaluation."""
    if not run.evaluation or not run.evaluation["rows"]:
        return None
    rows = run.evaluation["rows"]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    protocols = [name for name in PROTOCOLS if any(row["protocol"] == name for row in rows)]
    figure, axes = subplots(6.5, 1.2 + 0.35 * len(methods))
    for shift, protocol in enumerate(protocols):
        own = {row["method"]: row for row in rows if row["protocol"] == protocol}
        there = [(i, own[name]) for i, name in enumerate(methods) if name in own]
        means = [row["regret_points"] for _, row in there]
        ends = [
            [max(0.0, row["regret_points"] - row["regret_points_low"]) for _, row in there],
            [max(0.0, row["regret_points_high"] - row["regret_points"]) for _, row in there],
        ]
        axes.errorbar(
            means,
            [i + 0.25 * shift for i, _ in there],
            xerr=[[0 if math.isnan(end) else end for end in side] for side in ends],
            fmt="os"[shift],
            color=COLOURS[shift],
            label=PROTOCOLS[protocol],
            capsize=2,
        )
    axes.set_yticks([i + 0.12 for i in range(len(methods))], [shortened(name) for name in methods])
    axes.invert_yaxis()
    axes.set_xlabel("regret in accuracy points, mean and 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8)
    strict = [row for row in rows if row["protocol"] == protocols[-1]]
    conclusions = [
        f"{row['method']}: {row['conclusion']}" for row in strict if row["holm_p"] is not None
    ]
    if len({row["conclusion"] for row in strict if row["holm_p"] is not None}) == 1:
        conclusions = [next(row["conclusion"] for row in strict if row["holm_p"] is not None)]
    sentence = (
        "What following each recommender costs on a data set it has not seen; 0 would be the best "
        "choice every time. Against the global best: " + "; ".join(conclusions) + "."
    )
    return Figure("recommenders", "Does a recommendation help?", sentence, to_svg(figure))
