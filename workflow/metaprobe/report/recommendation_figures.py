"""The report's pictures of recommendations, and of portfolios, which need no meta-learning."""

from collections.abc import Mapping, Sequence
from typing import Any

from metaprobe.report.style import (
    COLOURS,
    INK,
    WIDTH,
    Figure,
    shortened,
    subplots,
    to_svg,
    whiskers,
)

PROTOCOLS = {"task": "one task held out", "family": "its whole family held out"}
METHODS = {
    "nearest": "the configurations that did well on the most similar tasks, by meta-features",
    "nearest_1": "the same from the single most similar task",
    "nearest_shuffled": "a placebo: the same with the meta-features exchanged among the tasks",
    "logme": "ranked by a score of transferability that is computed from features, LogME",
    "global_best": "the configuration that is best on average, for every task",
    "random": "a configuration drawn at random",
    "metabu": "the most similar tasks by meta-features that were learned with Metabu",
    "exhaustive": "everything is tried, and chosen by validation images",
}


def recommenders(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the regret of each recommender with its interval, of the rows of an evaluation."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    protocols = [name for name in PROTOCOLS if any(row["protocol"] == name for row in rows)]
    figure, axes = subplots(WIDTH, 1.1 + 0.34 * len(methods))
    for shift, protocol in enumerate(protocols):
        own = {row["method"]: row for row in rows if row["protocol"] == protocol}
        there = [(i, own[name]) for i, name in enumerate(methods) if name in own]
        axes.errorbar(
            [row["regret_points"] for _, row in there],
            [i + 0.25 * shift for i, _ in there],
            xerr=whiskers([row for _, row in there], "regret_points"),
            fmt="os"[shift],
            color=COLOURS[shift],
            label=PROTOCOLS[protocol],
            capsize=2,
        )
    axes.set_yticks([i + 0.12 for i in range(len(methods))], [shortened(name) for name in methods])
    axes.invert_yaxis()
    axes.set_xlabel("regret in accuracy points, mean and interval")
    axes.grid(axis="x")
    figure.legend(loc="outside upper left", ncols=2)
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


def portfolio(details: Mapping[str, Any]) -> Figure:
    """Draw the regret of portfolios against their size, with its interval, and the noise floor."""
    steps = [row for row in details["rows"] if row["row"] == "portfolio"]
    figure, axes = subplots(WIDTH, 3.2)
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
    axes.axhline(floor, color=INK, linestyle=":", label="noise floor")
    axes.set_xlabel("configurations in the portfolio")
    axes.set_ylabel("regret in accuracy points")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(bottom=0)
    axes.grid()
    axes.legend()
    return Figure("portfolio", "Without meta-learning", details["sentence"], to_svg(figure))
