"""What all checks of the table find: `validation.json`, and `validation.txt` in words."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metaprobe.core.errors import UserError
from metaprobe.tables.checks import CHECKS, same_tasks, unaltered
from metaprobe.tables.written_table import Table


def examine(table: Table, path: str | Path, made_from: Mapping[str, str]) -> dict[str, Any]:
    """Return the report of all checks, as it stands in validation.json.

    Args:
        made_from: the files that were looked at, by their names in the results folder, and their
            digests.
    """
    unknown = {same_tasks: table.basic, unaltered: table.altered}
    skipped = [check for check, needed in unknown.items() if needed is None]
    return {
        "table": Path(path).name,
        "made_from": dict(made_from),
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
