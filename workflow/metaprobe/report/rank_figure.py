"""The report's picture of ranks: a bar per configuration, longer is better, and who is told apart."""

from collections.abc import Sequence
from typing import Any

from metaprobe.report.comparison import Comparison, Floats
from metaprobe.report.style import ACCENT, GREY, INK, WIDTH, Figure, labels, subplots, to_svg
from metaprobe.tables.statistics import CONFIDENCE

JOINED = 16  # configurations up to which lines join those that are not told apart


def ranks(comparison: Comparison) -> Figure:
    """Draw mean ranks with their intervals; blue: the first, and all that may be as good."""
    names = labels(comparison.mean_ranks)
    means = list(comparison.mean_ranks.values())
    worst = len(means)
    row = 0.25 if worst <= JOINED else 0.18
    figure, axes = subplots(WIDTH, 0.8 + row * worst)
    colours = [GREY if apart else ACCENT for apart in comparison.apart]
    places = range(worst)
    axes.barh(places, [mean - worst for mean in means], left=worst, color=colours, height=0.62)
    if comparison.intervals is not None:
        for place, (low, high) in enumerate(comparison.intervals):
            axes.plot([low, high], [place, place], color=INK, linewidth=1)
    axes.set_yticks(places, names)
    axes.set_ylim(worst - 0.4, -0.6)
    axes.set_xlim(worst + 0.02 * (worst - 1), 1 if worst > 1 else 0)
    axes.set_xlabel("mean rank; 1 is the best on every data set")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    if comparison.p is not None and worst <= JOINED:
        _join(axes, groups(comparison.p), worst)
    return Figure("ranks", "Ranks of the configurations", _sentence(comparison), to_svg(figure))


def _join(axes: Any, found: Sequence[tuple[int, int]], worst: int) -> None:
    """Draw a line beside each group, right of the plot."""
    for number, (first, last) in enumerate(found):
        x = [1.03 + 0.025 * number] * 2
        across = axes.get_yaxis_transform()
        ends = [first - 0.25, last + 0.25]
        axes.plot(x, ends, color=INK, linewidth=2, transform=across, clip_on=False)


def groups(p: Floats) -> list[tuple[int, int]]:
    """Return (first, last) of the longest runs of neighbours, of two and more, no pair of which is
    told apart by (C, C) adjusted p.
    """
    found: list[tuple[int, int]] = []
    for first in range(len(p)):
        last = first
        while last + 1 < len(p) and (p[first : last + 1, last + 1] >= 1 - CONFIDENCE).all():
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _sentence(comparison: Comparison) -> str:
    said = (
        f"Longer is better. The best mean rank over {comparison.tasks} data sets is that of "
        f"{comparison.first} ({comparison.mean_ranks[comparison.first]:.2f})."
    )
    if comparison.intervals is not None:
        said += " Black lines: 95 % intervals over whole families."
    if comparison.friedman_p is not None:
        said += f" Friedman's test that all are alike: p = {comparison.friedman_p:.2g}."
    if comparison.p is None:
        return said
    if comparison.all_alike:
        return f"{said} There is no difference that this table can show."
    together = comparison.apart.count(False) - 1
    said += f" Blue: the first{f', and the {together} that may be as good' if together else ''}."
    if len(comparison.mean_ranks) <= JOINED and groups(comparison.p):
        said += " Lines at the right join those that are not told apart."
    return said
