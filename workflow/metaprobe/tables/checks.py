"""The checks of `target_representations.csv` as it was written: each yields what it finds wrong."""

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config.configurations import BLANK_WHEN_ZERO, MEASURED, TARGET_COLUMNS, TYPES
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, digest_file, missing
from metaprobe.data.subset import read_subset
from metaprobe.training.fragment import Experiment
from metaprobe.training.metrics import majority_rate

RESULTS = MEASURED[:3]  # all but the time
TEXTS = ("task_id", *(name for name, kind in TYPES.items() if kind is str))
ROUNDING = 0.5e-4  # the table has four decimals
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


def columns(table: Table) -> Iterator[Finding]:
    """The header is the 16 columns, in order, and every line has as many cells."""
    if table.header != list(TARGET_COLUMNS):
        yield finding(f"the header is {','.join(table.header)}, not {','.join(TARGET_COLUMNS)}")
    for line in table.misshapen:
        yield finding(f"it has not {len(TARGET_COLUMNS)} cells", line=line)


def row_count(table: Table) -> Iterator[Finding]:
    """There are as many rows as experiments."""
    if len(table.rows) != len(table.experiments):
        yield finding(f"{len(table.rows)} rows, but {len(table.experiments)} experiments")


def every_experiment_once(table: Table) -> Iterator[Finding]:
    """Every declared (task, configuration) has one row, in the declared order, and there is no other."""
    places = [row.place for row in table.rows]
    every = range(len(table.experiments))
    for place in (one for one in every if one not in places):
        yield finding("it has no row", *table.experiments[place])
    for row in (one for one in table.rows if one.place is None):
        known = row.configuration is not None
        yield row.finding(
            "it is there already, in an earlier line" if known else "no such experiment is declared"
        )
    if set(places) == set(every):
        for row, place in zip(table.rows, every, strict=True):
            if row.place != place:
                task_id, name = table.experiments[place]
                yield row.finding(f"the order is not as declared: here belongs {task_id}, {name}")
                return


def nothing_empty(table: Table) -> Iterator[Finding]:
    """No cell is empty, or not a finite number, but hyperparameters that are not in use."""
    for row in table.rows:
        for column in TARGET_COLUMNS:
            cell = row.cells[column]
            if not cell and column not in BLANK_WHEN_ZERO:
                yield row.finding(f"{column} is empty")
            elif cell and column not in TEXTS and not math.isfinite(row.number(column)):
                yield row.finding(f"{column} is {cell!r}, not a finite number")


def ranges(table: Table) -> Iterator[Finding]:
    """Accuracies are in [0, 1], losses and times are not negative."""
    for row in table.rows:
        for column in MEASURED:
            highest = 1 if column.endswith("accuracy") else math.inf
            if row.number(column) < 0 or row.number(column) > highest:
                allowed = "between 0 and 1" if highest == 1 else "0 or more"
                yield row.finding(f"{column} is {row.cells[column]}; possible: {allowed}")


def same_tasks(table: Table) -> Iterator[Finding]:
    """The task ids are those of basic_representations.csv."""
    there = dict.fromkeys(row.task_id for row in table.rows)
    for task_id in there:
        if task_id not in (table.basic or ()):
            yield finding("it is not in basic_representations.csv", task_id)
    for task_id, times in Counter(table.basic).items():
        if task_id not in there:
            yield finding("it is in basic_representations.csv only", task_id)
        if times > 1:
            yield finding(f"it is {times} times in basic_representations.csv", task_id)


def accuracy_and_loss(table: Table) -> Iterator[Finding]:
    """The test accuracy is possible beside the test loss."""
    for row in known(table):
        subset = table.subsets[row.task_id]
        images = subset["test_images"] * table.replicates
        accuracy, loss = row.number("test_accuracy"), row.number("test_loss")
        lowest, _ = accuracy_bounds(loss + ROUNDING, images, subset["class_count"])
        _, highest = accuracy_bounds(loss - ROUNDING, images, subset["class_count"])
        if accuracy < lowest - ROUNDING or accuracy > highest + ROUNDING:
            yield row.finding(
                f"test_accuracy {accuracy} cannot be with test_loss {loss} on "
                f"{subset['test_images']} images of {subset['class_count']} classes; "
                f"possible: {lowest:.4f} to {highest:.4f}"
            )


def accuracy_bounds(loss: float, images: int, class_count: int) -> tuple[float, float]:
    """Return the lowest and the highest accuracy that `images` predictions of this mean loss can have.

    The loss of an image is -log p, p the probability of its true class, and the predicted class is
    one of the largest probability.

    - A wrong image: the predicted class has at least p, so 2 p <= 1 and its loss is log 2 or more,
      also if both are tied. Of a share e of wrong images the mean loss is e log 2 or more, so
      e <= loss / log 2: accuracy >= 1 - loss / log 2. (Two classes with p just below 1/2 in the
      wrong images and just below 1 in the others come as near as one likes.)
    - A right image: p is the largest of C probabilities that sum to 1, so p >= 1/C and its loss is
      log C or less, also if tied. If all images are right the mean loss is log C or less; so with
      more, at least one is wrong: accuracy <= 1 - 1 / images.
    - Nothing else follows from above: one wrong image can have any loss beyond log 2, and the right
      ones any from 0 to log C, so 1 - 1 / images is possible with every loss from log 2 / images.

    Over replicates on the same images these hold of the means, with `images` counted per replicate:
    the first is linear, and the second needs one wrong prediction in any of them.
    """
    lowest = max(0.0, 1 - loss / math.log(2))
    highest = 1.0 if loss <= math.log(class_count) + 1e-9 else 1 - 1 / images
    return lowest, highest


def different_tasks(table: Table) -> Iterator[Finding]:
    """No two tasks have the same metrics in all configurations; solved without any loss they may."""
    results: dict[tuple[tuple[str, ...], ...], str] = {}
    for task_id in dict.fromkeys(row.task_id for row in table.rows):
        rows = [row for row in table.rows if row.task_id == task_id]
        result = tuple(tuple(row.cells[name] for name in RESULTS) for row in rows)
        first = results.setdefault(result, task_id)
        if first != task_id and any(row.number("test_loss") != 0 for row in rows):
            yield finding(f"all its results are those of {first}", task_id)


def unaltered(table: Table) -> Iterator[Finding]:
    """Both tables are, byte for byte, what was made of `experiments.parquet` and of
    `basic_representations.parquet`.
    """
    for name in table.altered or ():
        yield finding(f"{name} is not as it was written: it was edited or damaged")


def above_majority(table: Table) -> Iterator[Finding]:
    """The test accuracy is above that of always guessing the test images' commonest class."""
    for row in known(table):
        rate = table.subsets[row.task_id]["test_majority_rate"]
        if row.number("test_accuracy") <= rate + ROUNDING:
            yield row.finding(f"test_accuracy {row.cells['test_accuracy']}, majority {rate:.4f}")


def above_chance(table: Table) -> Iterator[Finding]:
    """The test accuracy is above that of guessing among the classes."""
    for row in known(table):
        rate = 1 / table.subsets[row.task_id]["class_count"]
        if row.number("test_accuracy") <= rate + ROUNDING:
            yield row.finding(f"test_accuracy {row.cells['test_accuracy']}, chance {rate:.4f}")


def known(table: Table) -> Iterator[Row]:
    """Return the rows of declared tasks."""
    return (row for row in table.rows if row.task_id in table.subsets)


CHECKS: dict[Callable[[Table], Iterator[Finding]], str] = {
    columns: "error",
    row_count: "error",
    every_experiment_once: "error",
    nothing_empty: "error",
    ranges: "error",
    same_tasks: "error",
    accuracy_and_loss: "error",
    different_tasks: "error",
    unaltered: "error",
    above_majority: "warning",
    above_chance: "warning",
}


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


def examine(table: Table, path: str | Path) -> dict[str, Any]:
    """Return the report of all checks, as it stands in validation.json."""
    unknown = {same_tasks: table.basic, unaltered: table.altered}
    skipped = [check for check, needed in unknown.items() if needed is None]
    return {
        "table": Path(path).name,
        "table_sha256": digest_file(path),
        "rows": len(table.rows),
        "experiments": len(table.experiments),
        "checks": [
            {
                "name": check.__name__,
                "severity": severity,
                "requirement": " ".join((check.__doc__ or "").split()).removesuffix("."),
                "checked": check not in skipped,
                "findings": [] if check in skipped else list(check(table)),
            }
            for check, severity in CHECKS.items()
        ],
    }


def in_words(report: dict[str, Any], most: int | None = None) -> str:
    """Return what a report says, a line per finding, but `most` of a check.

    Raises:
        UserError: there are errors; it names them.
    """
    errors, warnings = (
        [
            line
            for check in report["checks"]
            if check["severity"] == severity
            for line in _lines(check, most)
        ]
        for severity in ("error", "warning")
    )
    if errors:
        advice = (
            "If a table was edited, delete it: the next run makes it anew. If not, look at the data "
            "and the fragments of these experiments."
        )
        indented = (f"    {line}" for line in errors)
        raise UserError("\n".join([f"{report['table']} cannot be right:", *indented, advice]))
    checked = sum(one["checked"] for one in report["checks"])
    head = f"{report['table']}: {report['rows']} rows, {checked} checks, no error"
    return "\n".join([head, *(f"warning: {line}" for line in warnings)]) + "\n"


def _lines(check: dict[str, Any], most: int | None) -> Iterator[str]:
    """Yield one line per finding of a check, and how many there are beyond `most`."""
    for one in check["findings"][:most]:
        line = one["line"] and f"line {one['line']}"
        where = ", ".join(filter(None, [line, one["task_id"], one["configuration"]]))
        yield ": ".join(filter(None, [check["name"], where, one["message"]]))
    if most is not None and (more := len(check["findings"]) - most) > 0:
        yield f"{check['name']}: and {more} more, in validation.json"
