"""The report's pictures of cost: what accuracy costs, and where the hours went."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from metaprobe.report.comparison import Comparison, Floats
from metaprobe.report.data import Run, hours
from metaprobe.report.style import (
    ACCENT,
    COLOURS,
    GREY,
    INK,
    LINE,
    WIDTH,
    Figure,
    labels,
    shortened,
    subplots,
    to_svg,
)

NAMED = 12  # configurations up to which each point has its name


def pareto_front(costs: Floats, values: Floats) -> list[int]:
    """Return the points that no other is both as cheap and as good as, the cheapest first."""
    front: list[int] = []
    for i in np.lexsort((-values, costs)):
        if not front or values[i] > values[front[-1]]:
            front.append(int(i))
    return front


def accuracy_against_cost(run: Run, comparison: Comparison) -> Figure:
    """Draw mean accuracy and mean cost of each configuration over the tasks on which all are done."""
    names = list(comparison.mean_ranks)
    columns = [run.configurations.index(name) for name in names]
    seconds, accuracy = (
        values[run.whole_tasks].mean(axis=0)[columns] for values in (run.seconds, run.accuracy)
    )
    front = pareto_front(seconds, accuracy)
    named = range(len(names)) if len(names) <= NAMED else front
    figure, axes = subplots(WIDTH, 3.4)
    axes.plot(seconds[front], accuracy[front], color=ACCENT, linewidth=1, drawstyle="steps-post")
    others = [i for i in range(len(names)) if i not in front]
    axes.scatter(seconds[others], accuracy[others], s=28, color=GREY)
    axes.scatter(seconds[front], accuracy[front], s=36, color=ACCENT, zorder=3)
    if seconds.min() > 0 and seconds.max() > 10 * seconds.min():
        axes.set_xscale("log")
    axes.set_xlabel("mean seconds of an experiment alone")
    axes.set_ylabel("mean test accuracy")
    axes.grid()
    _name(axes, [(seconds[i], accuracy[i], shortened(labels(names)[i], 24)) for i in named])
    best, cheapest = (
        f"{names[i]} ({accuracy[i]:.3f} in {seconds[i]:.1f} s)" for i in (front[-1], front[0])
    )
    sentence = (
        f"Up is better, left is cheaper. The line is the Pareto front: no other configuration is "
        f"both cheaper and better. It goes from {cheapest} to {best}. Times depend on the machine."
        if len(front) > 1
        else f"Up is better, left is cheaper. {best} is both the cheapest and the most accurate. "
        "Times depend on the machine."
    )
    return Figure("cost", "Accuracy against cost", sentence, to_svg(figure))


def _name(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Write names in a column at the right, pushed apart, each with a line to its point."""
    low, high = axes.get_ylim()
    heights = pushed_apart([(y - low) / (high - low) for _, y, _ in points], 0.065)
    for (x, y, name), height in zip(points, heights, strict=True):
        axes.annotate(
            name,
            (x, y),
            (1.04, height),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            color=INK,
            arrowprops={"arrowstyle": "-", "color": LINE, "linewidth": 0.8, "shrinkB": 3},
        )


def pushed_apart(places: Sequence[float], least: float) -> list[float]:
    """Return places in [0, 1] moved until neighbours are `least` apart, in the same order."""
    order = np.argsort(places, kind="stable")
    moved = np.asarray(places, dtype=float)[order]
    steps = least * np.arange(len(moved))
    moved = np.maximum.accumulate(moved - steps) + steps  # upwards
    ceiling = max(1.0, steps[-1]) - steps[::-1] if len(moved) else moved
    moved = np.minimum(moved, ceiling)  # and back below the top
    found = np.empty(len(moved))
    found[order] = moved
    return [float(one) for one in found]


def hours_by_phase(run: Run) -> Figure:
    """Draw hours by phase."""
    phases = hours(run)
    figure, axes = subplots(WIDTH, 0.8 + 0.27 * len(phases))
    y = range(len(phases))
    axes.barh(
        y, list(phases.values()), color=[COLOURS[0]] * (len(phases) - 1) + [COLOURS[1]], height=0.62
    )
    axes.set_yticks(y, [shortened(name) for name in phases])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel("hours, summed over jobs")
    axes.grid(axis="x")
    total = sum(phases.values())
    share = 100 * phases["heads"] / total if total else 0
    sentence = (
        f"All {len(run.experiments)} experiments took {total:.2f} hours of features and heads; training "
        f"the heads was {share:.1f} % of it, as each picture passes each backbone once."
    )
    return Figure("hours", "Where the hours went", sentence, to_svg(figure))
