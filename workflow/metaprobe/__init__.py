"""metaprobe: image data sets in, the table a meta-learner is trained on out.

`metaprobe.load("results")` reads what a run has written: docs/reading.md.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaprobe.reader.results import Results

__all__ = ["load"]


def load(results: "str | Path") -> "Results":
    """Return what is in a folder of results, a .zip of it, or the http(s) URL of such a .zip.

    Nothing is read before it is asked for, and then once.

    Raises:
        UserError: there is nothing of the kind.
    """
    from metaprobe.reader.places import find
    from metaprobe.reader.results import Results

    return Results(find(results))
