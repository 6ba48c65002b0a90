"""How every page for people is made: from a template that extends `base.html`, loading nothing."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from metaprobe.report import FOLDER


def render(template: str | Path, **values: Any) -> str:
    """Return a page.

    All text is escaped, as names of data sets and classes come from folders; pictures are data:
    images, in which a browser runs nothing; the page's policy forbids every request.

    Args:
        template: a name in this folder, or a file elsewhere; `base.html`, which gives it the style
            sheet and the script of the tables, and `parts.html` are found from both.
    """
    path = FOLDER / template
    environment = Environment(
        loader=FileSystemLoader([path.parent, FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"data_url": data_url, "number": number}
    return environment.get_template(path.name).render(**values)


def data_url(svg: str) -> str:
    """Return an SVG as an address that holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def number(value: float | None, decimals: int = 2) -> str:
    """Return a number as a table shows it; nothing for None."""
    return "" if value is None else f"{value:.{decimals}f}"
