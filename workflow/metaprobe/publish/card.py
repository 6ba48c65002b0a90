"""The data card of a release: README.md, what it is, how it was made, what may be done with it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from metaprobe.publish.about import About
from metaprobe.publish.dictionary import meaning
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import Results
from metaprobe.publish.target import names_in

MADE_WITH = {
    "weights of the backbones": "weights_id",
    "seed": "seed",
    "training images": "train_images",
    "test images": "test_images",
    "validation images": "validation_images",
    "how images were drawn": "sampling",
    "epochs": "epochs",
    "heads per experiment": "replicates",
    "engine": "engine_name",
    "its version": "engine_version",
    "precision": "precision",
    "device": "device",
    "commit of the workflow": "git_commit",
}
PARTIAL = "**Of an unfinished run: experiments are missing.**"
RANDOM = (
    "**The backbones have random weights: these numbers show that the workflow runs, not how good"
    " transfer is.**"
)
RULE = """\
Numbers about a whole data set (accuracies, losses, times, meta-features) are facts and are here of every data
set. What is about single images (predictions, labels, indices, features) is here of those data sets only
whose licence is known and lets others pass on what they make of the images. No image is here."""


def card(results: Results, licences: Licences, about: About, folder: Path, form: str = "") -> str:
    """Return the text of README.md.

    Args:
        folder: has the files of the release.
        form: a sentence on the format, of an export.
    """
    parts = [
        f"# {about.title}",
        *warnings(results),
        form
        or "Test accuracy, loss and time of each configuration of transfer learning on each data set.",
        f"Version {about.version}, {about.released}. Licence of the numbers: {about.licence}."
        + (f" DOI: https://doi.org/{about.doi}" if about.doi else ""),
        "## How it was made\n\n" + table(("setting", "value"), settings(results)),
        "## Data sets and their licences\n\n"
        + table(LICENCE_HEAD, licence_rows(results, licences)),
        RULE,
        "## Files\n\n" + table(("file", "bytes", "rows"), files(folder)),
        *columns(folder),
        "## Citing\n\n`CITATION.cff` has the entry. Each data set has a paper of its own.",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


LICENCE_HEAD = ("data set", "licence", "about single images")


def warnings(results: Results) -> Iterator[str]:
    """Yield what must be known before a number is believed."""
    if results.partial:
        yield PARTIAL
    if any(str(one).startswith("random") for one in results.distinct("weights_id")):
        yield RANDOM


def settings(results: Results) -> Iterator[tuple[str, str]]:
    """Yield what the numbers depend on, and its values in the table."""
    names = [str(name) for name in results.experiments]
    versions = {
        f"version of {name.removeprefix('versions_')}": name
        for name in names
        if name.startswith("versions_")
    }
    for text, column in (MADE_WITH | versions).items():
        if values := results.distinct(column):
            yield text, ", ".join(map(str, values))


def licence_rows(results: Results, licences: Licences) -> Iterator[tuple[str, str, str]]:
    """Yield of each data set its licence, and what follows from it."""
    for task in results.tasks:
        yield task, licences.of(task), "here" if licences.is_open(task) else "left out"


def files(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the files that there are, their sizes, and the rows of tables."""
    for name in names_in(folder):
        path = folder / name
        rows = f"{pq.read_metadata(path).num_rows:,}" if path.suffix == ".parquet" else ""
        yield f"`{name}`", f"{path.stat().st_size:,}", rows


def columns(folder: Path) -> Iterator[str]:
    """Yield a section on the columns of each Parquet file."""
    for path in sorted(folder.glob("*.parquet")):
        rows = ((f"`{name}`", meaning(path.stem, name)) for name in pq.read_schema(path).names)
        yield f"## Columns of `{path.name}`\n\n" + table(("column", "meaning"), rows)


def table(header: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    """Return a table in Markdown; a cell is one line and breaks no column."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
