"""Drawing with matplotlib: one style, colours for everybody's eyes, the same bytes each time."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # the backend comes first

# Okabe and Ito, Color Universal Design (2008); black last
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: Any = {
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "svg.hashsalt": "metaprobe",
    "text.parse_math": False,  # names come from folders: a dollar sign is a dollar sign
}


@dataclass(frozen=True)
class Figure:
    """A picture of the report: file name, title, what to see in it, and its SVG."""

    name: str
    title: str
    sentence: str
    svg: str


def subplots(width: float, height: float, **options: Any) -> tuple[Any, Any]:
    """Return a figure (inches) and its axes in the report's style, as `pyplot.subplots`."""
    with matplotlib.rc_context(STYLE):
        return pyplot.subplots(figsize=(width, height), **options)


def to_svg(figure: Any) -> str:
    """Return the SVG of a figure, and close it."""
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return text.getvalue()


def in_turn(names: Iterable[str], values: Iterable[str] = COLOURS) -> dict[str, str]:
    """Return name -> one of `COLOURS`, or of `MARKERS`, so that nothing is told by colour alone."""
    return dict(zip(dict.fromkeys(names), cycle(values), strict=False))


def shortened(name: str, length: int = 28) -> str:
    """Return a name that fits beside a picture."""
    return name if len(name) <= length else name[: length - 1] + "…"


def labels(names: Iterable[str]) -> list[str]:
    """Return the shortened names, those that would be alike told apart by their position."""
    short = [shortened(name) for name in names]
    return [f"{one} #{i + 1}" if short.count(one) > 1 else one for i, one in enumerate(short)]


def whiskers(rows: Sequence[Mapping[str, Any]], name: str) -> list[list[float]]:
    """Return how far the ends `_low` and `_high` of rows are from their means; NaN, which is not drawn,
    without an interval.
    """
    ends = [[row[f"{name}{end}"] for row in rows] for end in ("_low", "_high")]
    means = [row[name] for row in rows]
    return [
        [
            math.nan if end is None else abs(end - mean)
            for end, mean in zip(side, means, strict=True)
        ]
        for side in ends
    ]
