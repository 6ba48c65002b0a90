"""`target_representations.csv` as it was written, and what it is judged by."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config.configurations import BLANK_WHEN_ZERO, TARGET_COLUMNS, TYPES
from metaprobe.core.files import broken, missing
from metaprobe.data.subset import read_subset
from metaprobe.training.fragment import Experiment
from metaprobe.training.metrics import majority_rate

TEXTS = ("task_id", *(name for name, kind in TYPES.items() if kind is str))
IN_TABLE = [name for name in TYPES if name in TARGET_COLUMNS]
Key = tuple[str | float, ...]
Finding = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A line of the table; `place` is that of its experiment among the declared ones, None if there
    is none, or if another line has it; `configuration` is the id that its cells are of, if any.
    """

    line: int
    cells: dict[str, str]
    place: int | None
    configuration: str | None

    @property
    def task_id(self) -> str:
        """The task as the line has it."""
        return self.cells["task_id"]

    def number(self, column: str) -> float:
        """Return the cell as a number; NaN if it is none."""
        try:
            return float(self.cells[column])
        except ValueError:
            return math.nan

    def finding(self, message: str) -> Finding:
        """Return what is wrong with this line."""
        return finding(message, self.task_id, self.configuration, self.line)


@dataclass(frozen=True)
class Table:
    """The table, and what is known without it.

    `experiments` are (task_id, configuration) as declared; `subsets` has of each task
    `test_images`, `class_count` and `test_majority_rate`; `basic` are the task ids of
    basic_representations.csv, None if the run has no such file; `altered` are the files that are not
    what the workflow wrote, None if that was not looked at.
    """

    header: list[str]
    misshapen: list[int]
    rows: list[Row]
    experiments: Sequence[Experiment]
    subsets: Mapping[str, Mapping[str, Any]]
    replicates: int
    basic: list[str] | None
    altered: list[str] | None = None


def finding(
    message: str,
    task_id: str | None = None,
    configuration: str | None = None,
    line: int | None = None,
) -> Finding:
    """Return one thing that is wrong, and where."""
    return {"task_id": task_id, "configuration": configuration, "line": line, "message": message}


def rows_of(
    lines: Mapping[int, dict[str, str]],
    experiments: Sequence[Experiment],
    configurations: Mapping[str, Mapping[str, Any]],
) -> list[Row]:
    """Return the rows of lines (number → cells), each with the declared experiment that it is.

    The i-th row is the i-th experiment, if its cells are of it; any other is the first experiment of
    its cells that no row has. So two configurations that differ in nothing the table shows stay two.
    """
    alike: dict[Key, list[int]] = {}
    for number, (task_id, configuration) in enumerate(experiments):
        alike.setdefault(key_of(task_id, configurations[configuration]), []).append(number)
    found = {line: alike.get(key_of(cells["task_id"], cells), []) for line, cells in lines.items()}
    places = {line: line - 2 for line, numbers in found.items() if line - 2 in numbers}
    free = set(range(len(experiments))) - set(places.values())
    rows = []
    for line, numbers in found.items():
        place = places.get(line, next((one for one in numbers if one in free), None))
        free -= {place}
        like = next(iter(numbers), None) if place is None else place
        name = None if like is None else experiments[like][1]
        rows.append(Row(line, lines[line], place, name))
    return rows


def key_of(task_id: str, values: Mapping[str, Any]) -> Key:
    """Return what the cells of an experiment can be compared by: its task and its hyperparameters."""
    return task_id, *(_comparable(name, values[name]) for name in IN_TABLE)


def _comparable(column: str, value: Any) -> str | float:
    if column in TEXTS:
        return str(value)
    if value == "" and column in BLANK_WHEN_ZERO:
        return 0.0
    try:
        return float(value)
    except ValueError:
        return str(value)


def read_table(
    path: str | Path,
    experiments: Sequence[Experiment],
    configurations: Mapping[str, Mapping[str, Any]],
    subsets: Mapping[str, Mapping[str, Any]],
    replicates: int = 1,
    basic_path: str | Path | None = None,
    written: Mapping[str, str] | None = None,
) -> Table:
    """Read the table from its file, with what it is judged by.

    Args:
        written: path -> the text that the workflow wrote there.

    Raises:
        UserError: the file, or basic_representations.csv, is missing or no CSV.
    """
    header, *lines = _read_csv(path) or [[]]
    whole = {
        line: dict(zip(TARGET_COLUMNS, cells, strict=True))
        for line, cells in enumerate(lines, start=2)
        if header == list(TARGET_COLUMNS) and len(cells) == len(TARGET_COLUMNS)
    }
    misshapen = [line for line in range(2, len(lines) + 2) if line not in whole]
    rows = rows_of(whole, experiments, configurations)
    basic = None
    if basic_path:
        basic = [cells[0] if cells else "" for cells in _read_csv(basic_path)[1:]]
    altered = None
    if written is not None:
        there = {path: Path(path).read_bytes() for path in written}
        altered = [Path(path).name for path in written if there[path] != written[path].encode()]
    return Table(header, misshapen, rows, experiments, subsets, replicates, basic, altered)


def _read_csv(path: str | Path) -> list[list[str]]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        raise missing(path) from None
    except (ValueError, csv.Error) as error:
        raise broken(path, str(error)) from None


def describe_subset(path: str | Path) -> dict[str, Any]:
    """Return what the checks need of a subset: `test_images`, `class_count`, `test_majority_rate`."""
    subset = read_subset(path)
    return {
        "test_images": subset["test"]["images"],
        "class_count": subset["class_count"],
        "test_majority_rate": majority_rate(np.array(subset["test"]["labels"])),
    }
