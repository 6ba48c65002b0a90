"""Finished results, or what there is of unfinished ones, read for publishing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaprobe.core.errors import UserError
from metaprobe.core.files import read_checked_json
from metaprobe.core.parquet import read_parquet
from metaprobe.tables.collect import Tables, read_fragments, read_tables, tables_of

if TYPE_CHECKING:
    import pandas as pd

PARTIAL_TABLE = "target_representations.partial.csv"
REPORT = "report.html"
MADE_LAST = ("experiments.parquet", "validation.json", REPORT)


@dataclass(frozen=True)
class Results:
    """The tables of a folder of results; `partial` if they are of an unfinished run."""

    folder: Path
    tables: Tables
    partial: bool

    @property
    def experiments(self) -> "pd.DataFrame":
        """A row per experiment."""
        return self.tables.experiments

    @cached_property
    def tasks(self) -> list[str]:
        """The data sets, in their order."""
        return list(dict.fromkeys(self.experiments.task_id))

    @cached_property
    def configurations(self) -> list[str]:
        """Their configurations, in their order."""
        return list(dict.fromkeys(self.experiments.configuration))

    @cached_property
    def families(self) -> dict[str, str]:
        """Task -> its family; its own id where none is known."""
        rows = self.experiments[["task_id", "family"]].fillna("").itertuples(index=False, name=None)
        return {task: family or task for task, family in rows}

    @cached_property
    def sweep(self) -> "pd.DataFrame | None":
        """A row per entry of the grid and task, if there was a sweep."""
        return self._if_there("sweep")

    @cached_property
    def meta_features(self) -> "pd.DataFrame | None":
        """A row per task, if they are there."""
        return self._if_there("basic_representations")

    def distinct(self, column: str) -> list[Any]:
        """Return the values of a column of the experiments, each once, without empty ones."""
        if column not in self.experiments:
            return []
        values = self.experiments[column].dropna()
        return [value for value in dict.fromkeys(values) if value != ""]

    def _if_there(self, name: str) -> "pd.DataFrame | None":
        path = self.folder / f"{name}.parquet"
        return read_parquet(path) if path.is_file() else None


def read_results(folder: Path, *, partial: bool) -> Results:
    """Read a folder of results.

    Args:
        partial: take what is there of an unfinished run.

    Raises:
        UserError: it is none, or of an unfinished run, or of one whose table cannot be right.
    """
    if not (folder / MADE_LAST[0]).is_file() and not (folder / "metrics").is_dir():
        raise UserError(f"{folder} is no folder of results: name one that a run has written")
    unsound = list(errors(folder))
    if unsound:
        raise UserError(
            f"{folder} did not pass the validation of its own run ({unsound[0]}): look at its"
            " validation.json, mend what it names and start the run again"
        )
    lacking = unfinished(folder)
    if lacking and not partial:
        raise UserError(
            f"{folder} is of an unfinished run ({lacking}): start it again, which makes what is"
            " missing, or publish what is there with --partial"
        )
    tables = from_fragments(folder) if lacking else read_tables(folder)
    return Results(folder, tables, partial=bool(lacking))


def unfinished(folder: Path) -> str:
    """Return what shows that a run is not finished; nothing if it is."""
    if (folder / PARTIAL_TABLE).is_file():
        return f"{PARTIAL_TABLE} is there"
    missing = [name for name in MADE_LAST if not (folder / name).is_file()]
    return f"{missing[0]} is missing" if missing else ""


def errors(folder: Path) -> Iterator[str]:
    """Yield the names of the checks in which the run itself found errors."""
    if (folder / "validation.json").is_file():
        checks: list[Mapping[str, Any]] = read_checked_json(folder / "validation.json")["checks"]
        for check in checks:
            if check["severity"] == "error" and check["findings"]:
                yield check["name"]


def from_fragments(folder: Path) -> Tables:
    """Return the tables of the experiments that are finished, in the order of their names.

    Raises:
        UserError: none is, or one is broken.
    """
    files = sorted((folder / "metrics").glob("*/*.json"))
    if not files:
        raise UserError(f"{folder} has no finished experiment yet: there is nothing to publish")
    ids = [(file.parent.name, file.stem) for file in files]
    fragments, complaints = read_fragments(folder / "metrics", ids)
    if complaints:
        more = f" ({len(complaints) - 1} more like it)" if complaints[1:] else ""
        raise UserError(f"{complaints[0]}{more}")
    return tables_of(fragments)
