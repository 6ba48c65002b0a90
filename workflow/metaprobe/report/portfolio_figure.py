"""The report's picture of portfolios: what so many configurations lose, without any meta-learning."""

from collections.abc import Mapping
from typing import Any

from metaprobe.report.style import COLOURS, Figure, subplots, to_svg, whiskers


def portfolio(details: Mapping[str, Any]) -> Figure:
    """Draw the regret of portfolios against their size, with its interval, and the noise floor."""
    steps = [row for row in details["rows"] if row["row"] == "portfolio"]
    figure, axes = subplots(6.5, 3.5)
    sizes = [row["size"] for row in steps]
    inside = [row["regret_points_in_sample"] for row in steps]
    axes.plot(sizes, inside, "s--", color=COLOURS[1], label="on the tasks they were chosen for")
    held = [row for row in steps if row["regret_points"] is not None]
    if held:
        axes.errorbar(
            [row["size"] for row in held],
            [row["regret_points"] for row in held],
            yerr=whiskers(held, "regret_points"),
            fmt="o-",
            color=COLOURS[0],
            capsize=2,
            label="on families held out",
        )
    floor = details["noise_floor_points"]
    axes.axhline(floor, color=COLOURS[-1], linestyle=":", label="noise floor")
    axes.set_xlabel("configurations in the portfolio")
    axes.set_ylabel("regret in accuracy points")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return Figure("portfolio", "Without meta-learning", details["sentence"], to_svg(figure))
