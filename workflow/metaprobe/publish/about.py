"""What a release says of itself: title, version, authors, licence, DOI, date; and `CITATION.cff`."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import yaml

from metaprobe.publish.results import Results

LICENCE = "CC-BY-4.0"
CITE = (
    "If you use these results, please cite them and the data sets, whose licences are in README.md."
)
DOI_LATER = "# doi: 10.5281/zenodo.0000000  # once a host has given one: publish again with --doi\n"


@dataclass(frozen=True)
class About:
    """Of a release; `doi` is empty as long as there is none."""

    title: str
    version: str
    authors: tuple[str, ...]
    licence: str
    doi: str
    released: date

    @property
    def slug(self) -> str:
        """The release's name in file names."""
        return f"metaprobe-results-{self.version}"


def title_of(results: Results) -> str:
    """Return a title from what is in the results."""
    tasks, configurations = len(results.tasks), len(results.configurations)
    return f"metaprobe results: {tasks} data sets x {configurations} configurations"


def day_of(results: Results) -> date:
    """Return the day of the file of the table, in UTC.

    Nothing in the results tells when they were made, so that equal runs are equal files. A copy that does not
    keep the times of files therefore has another day.
    """
    file = results.folder / "experiments.parquet"
    there = file if file.is_file() else results.folder / "metrics"
    return datetime.fromtimestamp(there.stat().st_mtime, UTC).date()


def citation(about: About) -> str:
    """Return the text of CITATION.cff."""
    content = {
        "cff-version": "1.2.0",
        "message": CITE,
        "title": about.title,
        "type": "dataset",
        "version": about.version,
        "date-released": about.released,
        "license": about.licence,
        "authors": [{"name": name} for name in about.authors],
    } | ({"doi": about.doi} if about.doi else {})
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text if about.doi else text + DOI_LATER
