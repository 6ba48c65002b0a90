"""`comparisons.csv`: the configurations of a task against each other, image by image."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from metaprobe.core.files import broken, write_csv
from metaprobe.tables.statistics import difference, sign_flip_p

COLUMNS = ("task_id", "configuration_a", "configuration_b", "difference", "low", "high", "p")
SIGNIFICANT_DIGITS = 6


def write_comparisons(path: str | Path, predictions_path: str | Path) -> None:
    """Write a row per task and pair of its configurations, the earlier one first.

    Args:
        predictions_path: what `write_predictions` wrote, a row group per task.

    Raises:
        UserError: the predictions of a task are not of the same images.
    """
    rows = []
    with pq.ParquetFile(predictions_path) as file:
        for number in range(file.num_row_groups):
            task = file.read_row_group(number)
            task_id = task["task_id"][0].as_py()
            if (right := right_by_image(task)) is None:
                raise broken(predictions_path, f"configurations of {task_id} saw other images")
            for first, second, *values in compare(*right):
                cells = (f"{value:.{SIGNIFICANT_DIGITS}g}" for value in values)
                rows.append([task_id, first, second, *cells])
    write_csv(path, pd.DataFrame(rows, columns=list(COLUMNS)))


def right_by_image(task: pa.Table) -> tuple[dict[str, NDArray[np.int64]], int] | None:
    """Of each configuration how many of its R replicates classify each image correctly: (N,); and
    R. None if the rows are not of the same images, in one order.
    """
    names = task["configuration"].unique().to_pylist()
    replicates = task["replicate"].to_numpy().max() + 1
    images, true, predicted = (
        task[column].to_numpy() for column in ("image", "true_class", "predicted_class")
    )
    if len(images) % (len(names) * replicates):
        return None
    shape = (len(names), replicates, -1)
    seen = images.reshape(shape)
    if (seen != seen[0, 0]).any():
        return None
    right = (true == predicted).reshape(shape).sum(axis=1)
    return dict(zip(names, right, strict=True)), int(replicates)


def compare(
    right: dict[str, NDArray[np.int64]], replicates: int
) -> Iterator[tuple[str, str, float, float, float, float]]:
    """Each pair: its names, difference of accuracies, its 95 % interval, and p."""
    for (first, by_first), (second, by_second) in itertools.combinations(right.items(), 2):
        apart = by_first - by_second
        low, high = difference(apart / replicates)
        yield first, second, float(apart.mean()) / replicates, low, high, sign_flip_p(apart)
