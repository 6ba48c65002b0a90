"""Drawing with matplotlib: one style, on light and on dark paper, the same bytes each time."""

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # the backend comes first

INK, MUTED, GREY, LINE, PAPER = "#1b1e23", "#59616b", "#98a1ab", "#dfe2e6", "#ffffff"
# Okabe and Ito, Color Universal Design (2008); ink last
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", INK)
ACCENT = COLOURS[0]
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# On dark paper; a picture's words and lines carry these colours in their style attributes.
DARK = {
    INK: "#e6e8eb",
    MUTED: "#a4acb6",
    GREY: "#69727d",
    LINE: "#333941",
    "#0072b2": "#4a9fe0",
    "#e69f00": "#e8ab2c",
    "#009e73": "#2fbf94",
    "#cc79a7": "#d892ba",
    "#56b4e9": "#9bd6ff",
    "#d55e00": "#f0803c",
}
DARK_PAPER = "#15181c"
WIDTH = 5.4  # inches of a picture that is shown whole on a telephone
SHRINKS = 400  # points of width at which a picture's words can still be read on 360 pixels
STYLE: Any = {
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "grid.color": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "font.size": 9,
    "svg.fonttype": "none",  # words stay words
    "svg.hashsalt": "metaprobe",
    "text.parse_math": False,  # names come from folders: a dollar sign is a dollar sign
}

matplotlib.rcParams.update(STYLE)


@dataclass(frozen=True)
class Figure:
    """A picture of the report: file name, title, what to see in it, and its SVG."""

    name: str
    title: str
    sentence: str
    svg: str

    @property
    def wide(self) -> bool:
        """Whether it is too wide to be shrunk to a telephone."""
        found = re.search(r'<svg[^>]* width="([\d.]+)pt"', self.svg)
        return found is not None and float(found[1]) > SHRINKS


def subplots(width: float, height: float, **options: Any) -> tuple[Any, Any]:
    """Return a figure (inches) and its axes in the report's style, as `pyplot.subplots`."""
    return pyplot.subplots(figsize=(width, height), **options)


def to_svg(figure: Any) -> str:
    """Return the SVG of a figure, and close it."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return for_both_papers(text.getvalue())


def for_both_papers(svg: str) -> str:
    """Return an SVG in the reader's own font, its colours exchanged where the reader prefers dark."""
    svg = re.sub(r"font-family: 'DejaVu Sans'[^;\"<]*", "font-family: system-ui, sans-serif", svg)
    dark = "".join(
        f'[style*="{name}: {light}"]{{{name}:{dark}!important}}'
        for light, dark in DARK.items()
        for name in ("fill", "stroke")
    )
    style = (
        f"<style>svg{{background:{PAPER}}}@media screen and (prefers-color-scheme:dark)"
        f"{{svg{{background:{DARK_PAPER}}}{dark}}}</style>"
    )
    return svg.replace("</defs>", f"{style}</defs>", 1)


def in_turn(names: Iterable[str], values: Sequence[str] = COLOURS) -> dict[str, str]:
    """Return name -> one of `COLOURS`, or of `MARKERS`, none of them twice: if there are more names
    than values, all have the last, and cannot be told apart by it.
    """
    names = list(dict.fromkeys(names))
    if len(names) > len(values):
        return dict.fromkeys(names, GREY if values is COLOURS else values[0])
    return dict(zip(names, values, strict=False))


def legible(red: float, green: float, blue: float) -> str:
    """Return the colour of words, black or white, with more contrast to a colour (each 0 to 1)."""
    return "black" if luminance(red, green, blue) > 0.179 else "white"


def luminance(red: float, green: float, blue: float) -> float:
    """Return the relative luminance of a colour (each 0 to 1), as WCAG 2 defines it."""
    linear = [
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4
        for one in (red, green, blue)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


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
