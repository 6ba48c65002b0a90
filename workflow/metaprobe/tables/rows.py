"""What a fragment says, as rows of tables; needs no pydantic, as whoever reads results has none."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metaprobe.tables.statistics import wilson

Row = dict[str, Any]


def experiment_row(fragment: Mapping[str, Any], metrics: Sequence[str]) -> Row:
    """Return what a fragment says, the interval of its accuracy, and the spread of its replicates.

    Args:
        metrics: those that each replicate has.
    """
    row = dict(fragment)
    for name in [name for name, value in row.items() if isinstance(value, dict)]:
        row |= {f"{name}_{key}": one for key, one in row.pop(name).items()}
    low, high = wilson(fragment["test_accuracy"], fragment["test_images"])
    row |= {"test_accuracy_low": low, "test_accuracy_high": high}
    row["replicates"] = len(fragment["replicates"])
    for name in metrics:
        values = [one[name] for one in fragment["replicates"]]
        row[f"{name}_std"] = statistics.stdev(values) if len(values) > 1 else None
    return row


def replicate_rows(fragment: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a row per replicate, with its metrics and its learning curve."""
    ids = {name: fragment[name] for name in ("task_id", "configuration")}
    for number, one in enumerate(fragment["replicates"]):
        yield ids | {"replicate": number} | one


def curve_rows(fragment: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a row per replicate and epoch."""
    for row in replicate_rows(fragment):
        for point in row["learning_curve"]:
            yield row | point
