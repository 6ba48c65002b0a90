"""The arena's pictures: how well each ranker orders backbones, and what advice reaches for its seconds."""

from collections.abc import Mapping, Sequence
from typing import Any

from metaprobe.report.style import (
    COLOURS,
    GREY,
    MARKERS,
    WIDTH,
    Figure,
    in_turn,
    shortened,
    subplots,
    to_svg,
)

Rows = Sequence[Mapping[str, Any]]
KINDS = ("metric", "list", "placebo")


def orders(rows: Rows, target: str, sentence: str) -> Figure:
    """Draw the weighted tau of each ranker of one target, best first, with its interval."""
    own = sorted(
        (row for row in rows if row["target"] == target), key=lambda row: -row["weighted_tau"]
    )
    figure, axes = subplots(WIDTH, 1 + 0.27 * len(own))
    colours, markers = in_turn(KINDS, COLOURS), in_turn(KINDS, MARKERS)
    for kind in KINDS:
        there = [(place, row) for place, row in enumerate(own) if row["kind"] == kind]
        if not there:
            continue
        axes.errorbar(
            [row["weighted_tau"] for _, row in there],
            [place for place, _ in there],
            xerr=[[_side(row, end) for _, row in there] for end in ("low", "high")],
            fmt=markers[kind],
            color=colours[kind],
            label=kind,
            capsize=2,
        )
    axes.set_yticks(range(len(own)), [shortened(row["ranker"]) for row in own])
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("weighted tau, mean over tasks and its interval over families")
    axes.grid(axis="x")
    axes.legend()
    return Figure(
        f"orders_{_file_name(target)}",
        f"Who orders backbones best: {target}",
        sentence,
        to_svg(figure),
    )


def _file_name(target: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in target)


def _side(row: Mapping[str, Any], end: str) -> float:
    """Return the length of one side of the interval; 0 if there is none."""
    value = row[f"weighted_tau_{end}"]
    return 0.0 if value is None else max(0.0, abs(value - row["weighted_tau"]))


def advice_curves(rows: Rows, sentence: str) -> Figure:
    """Draw how far each way to choose is behind trying everything, by its share of the seconds."""
    figure, axes = subplots(WIDTH, 4.2)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    colours, markers = in_turn(methods, COLOURS), in_turn(methods, MARKERS)
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        shares = [100 * row["share_with_model"] for row in own]
        behind = [row["behind_everything_points"] for row in own]
        shape = {"marker": markers[method], "color": colours[method], "label": method}
        axes.plot(shares, behind, **shape)
        if method == methods[0] and own[0]["behind_low"] is not None:
            low, high = ([row[f"behind_{end}"] for row in own] for end in ("low", "high"))
            axes.fill_between(shares, low, high, color=colours[method], alpha=0.15)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("% of the CPU seconds of everything, training of what is named included")
    axes.set_ylabel("accuracy points behind trying everything")
    axes.grid()
    axes.legend()
    return Figure("advice", "What advice reaches, and for how much", sentence, to_svg(figure))
