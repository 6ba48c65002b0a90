"""The validation of `target_representations.csv`: read from its file, checked, told in words."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config.configurations import TARGET_COLUMNS
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, digest_file, missing
from metaprobe.data.subset import read_subset
from metaprobe.tables.checks import CHECKS, Table, rows_of, same_tasks
from metaprobe.training.fragment import Experiment
from metaprobe.training.metrics import majority_rate


def read_table(
    path: str | Path,
    experiments: Sequence[Experiment],
    configurations: Mapping[str, Mapping[str, Any]],
    subsets: Mapping[str, Mapping[str, Any]],
    replicates: int = 1,
    basic_path: str | Path | None = None,
) -> Table:
    """Read the table from its file, with what it is judged by.

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
    return Table(header, misshapen, rows, experiments, subsets, replicates, basic)


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
    skipped = (same_tasks,) if table.basic is None else ()
    return {
        "table": Path(path).name,
        "sha256": digest_file(path),
        "rows": len(table.rows),
        "experiments": len(table.experiments),
        "checks": [
            {
                "name": check.__name__,
                "severity": severity,
                "requirement": (check.__doc__ or "").removesuffix("."),
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
    found = {
        severity: [one for one in report["checks"] if one["severity"] == severity]
        for severity in ("error", "warning")
    }
    errors, warnings = (
        [line for one in found[severity] for line in _lines(one, most)] for severity in found
    )
    if errors:
        advice = (
            f"If {report['table']} was edited, delete it: the next run makes it anew. If not, look "
            "at the data and the fragments of these experiments."
        )
        indented = (f"    {line}" for line in errors)
        raise UserError("\n".join([f"{report['table']} cannot be right:", *indented, advice]))
    checked = sum(one["checked"] for one in report["checks"])
    head = f"{report['table']}: {report['rows']} rows, {checked} checks, no error"
    return "\n".join([head, *(f"warning: {line}" for line in warnings)]) + "\n"


def _lines(check: dict[str, Any], most: int | None) -> Iterator[str]:
    """Yield one line per finding of a check, and how many there are beyond `most`."""
    for one in check["findings"][:most]:
        where = [str(one[key]) for key in ("task_id", "configuration") if one[key]]
        where = ([f"line {one['line']}"] if one["line"] else []) + where
        yield ": ".join([check["name"], *filter(None, [", ".join(where)]), one["message"]])
    if most is not None and (more := len(check["findings"]) - most) > 0:
        yield f"{check['name']}: and {more} more, in validation.json"
