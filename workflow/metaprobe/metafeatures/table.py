"""`basic_representations.csv` and its bootstrap, from the descriptions of all data sets."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, csv_text, read_checked_json

SIGNIFICANT_DIGITS = 6
Expected = Mapping[str, Mapping[str, Any]]


def collect_descriptions(
    folder: str | Path,
    columns: Sequence[str],
    expected: Expected,
    rows_per_task: int = 1,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the rows of all tasks of `expected`, in their order, and the digests of the descriptions.

    Args:
        folder: holds the descriptions as `<task_id>.json`.
        columns: names of the values, in order; all of a description's values and no other.
        expected: task_id → what its description must say to be of this run: `seed`, `sampling`,
            and `weights`, architecture → id.

    Raises:
        UserError: descriptions are missing, broken or of another run, all of them named.
    """
    rows, complaints, digests = [], [], {}
    for task_id, metadata in expected.items():
        file = Path(folder, f"{task_id}.json")
        try:
            digest, found = read_description(file, task_id, columns, metadata, rows_per_task)
        except UserError as error:
            complaints.append(str(error))
            continue
        digests[f"{file.parent.name}/{file.name}"] = digest
        rows += [[task_id, *(rounded(values[name]) for name in columns)] for values in found]
    if complaints:
        raise UserError("\n".join(complaints))
    return pd.DataFrame(rows, columns=["task_id", *columns]), digests


def as_csv(table: pd.DataFrame) -> str:
    """Return the CSV of a table that `collect_descriptions` returned."""
    return csv_text(table.map(lambda cell: cell if isinstance(cell, str) else digits(cell)))


def read_description(
    path: str | Path,
    task_id: str,
    columns: Sequence[str],
    expected: Mapping[str, Any],
    rows_per_task: int,
) -> tuple[str, list[dict[str, float]]]:
    """Return the digest and the rows of one description.

    Raises:
        UserError: it is missing, damaged, of another task or run, or a value is no finite number.
    """
    description = read_checked_json(path)
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
    return description["sha256"], rows


def digits(value: float) -> str:
    """Return six significant digits: more would differ between processors."""
    return f"{value + 0.0:.{SIGNIFICANT_DIGITS}g}"


def rounded(value: float) -> float:
    """Return the number that `digits` writes."""
    return float(digits(value))
