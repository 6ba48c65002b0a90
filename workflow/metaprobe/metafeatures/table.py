"""`basic_representations.csv` and its bootstrap, from the descriptions of all data sets."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, read_json, write_csv

SIGNIFICANT_DIGITS = 6
Expected = Mapping[str, Mapping[str, Any]]


def write_basic_table(
    path: str | Path,
    folder: str | Path,
    columns: Sequence[str],
    expected: Expected,
    rows_per_task: int = 1,
) -> None:
    """Write the rows of all tasks of `expected`, in their order.

    Args:
        folder: holds the descriptions as `<task_id>.json`.
        columns: names of the values, in order; all of a description's values and no other.
        expected: task_id → what its description must say to be of this run: `seed`, `sampling`,
            and `weights`, architecture → id.

    Raises:
        UserError: descriptions are missing, broken or of another run, all of them named.
    """
    rows, complaints = [], []
    for task_id, metadata in expected.items():
        file = Path(folder, f"{task_id}.json")
        try:
            found = read_description(file, task_id, columns, metadata, rows_per_task)
        except UserError as error:
            complaints.append(str(error))
            continue
        rows += [[task_id, *(cell(values[name]) for name in columns)] for values in found]
    if complaints:
        raise UserError("\n".join(complaints))
    write_csv(path, pd.DataFrame(rows, columns=["task_id", *columns]))


def read_description(
    path: str | Path,
    task_id: str,
    columns: Sequence[str],
    expected: Mapping[str, Any],
    rows_per_task: int,
) -> list[dict[str, float]]:
    """Return the rows of one description.

    Raises:
        UserError: it is missing, broken, of another task or run, or a value is no finite number.
    """
    description = read_json(path)
    try:
        found = {key: description[key] for key in ("task_id", "seed", "sampling")}
        found["weights"] = {
            name: metadata["id"] for name, metadata in description["weights"].items()
        }
        rows: list[dict[str, float]] = description["rows"]
        unlike = [differing for row in rows if (differing := set(row) ^ set(columns))]
    except (KeyError, TypeError, AttributeError):
        raise broken(path, "it is not a description") from None
    for key, value in {"task_id": task_id, **expected}.items():
        if found[key] != value:
            raise broken(path, f"its {key} is {found[key]}, not {value}")
    if len(rows) != rows_per_task:
        raise broken(path, f"it has {len(rows)} rows, not {rows_per_task}")
    if unlike:
        raise broken(path, f"it and the run differ in columns: {', '.join(sorted(unlike[0]))}")
    for name, value in ((name, value) for row in rows for name, value in row.items()):
        if type(value) not in (int, float) or not math.isfinite(value):
            raise broken(path, f"{name}: {value!r} is no finite number")
    return rows


def cell(value: float) -> str:
    """Return six significant digits: more would differ between processors."""
    return f"{value + 0.0:.{SIGNIFICANT_DIGITS}g}"
