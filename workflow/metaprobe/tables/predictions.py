"""`predictions.parquet`: one row per experiment, replicate and test image; and `comparisons.csv`: the
configurations of a task against each other, image by image.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from metaprobe.core.arrays import Arrays, digest_arrays, read_arrays
from metaprobe.core.files import broken
from metaprobe.core.parquet import check_parquet, parquet_writer
from metaprobe.tables.statistics import difference, holm, mid_p
from metaprobe.training.fragment import Experiment

SCHEMA = pa.schema(
    {
        "task_id": pa.string(),
        "configuration": pa.string(),
        "replicate": pa.int32(),
        "image": pa.int32(),
        "true_class": pa.int32(),
        "predicted_class": pa.int32(),
        "probability_true": pa.float64(),
        "probability_predicted": pa.float64(),
    }
)
IDS = ("task_id", "configuration_a", "configuration_b")
COLUMNS = (*IDS, "difference", "low", "high", "p", "holm_p")
SIGNIFICANT_DIGITS = 6
Right = dict[str, NDArray[np.int64]]  # configuration → (N,)


def write_predictions(
    path: str | Path, folder: str | Path, experiments: Sequence[Experiment]
) -> None:
    """Write one Parquet file with a row per experiment, replicate and test image.

    The rows of one task are one row group, and only they are in memory at a time.

    Raises:
        UserError: predictions are missing, broken or another experiment's.
    """
    tasks = dict.fromkeys(task_id for task_id, _ in experiments)
    made_from: dict[str, str] = {}
    with parquet_writer(path, SCHEMA, made_from) as writer:
        for task in tasks:
            parts = []
            for task_id, name in experiments:
                if task_id == task:
                    arrays = read_predictions(folder, task_id, name)
                    made_from[f"predictions/{task_id}/{name}.safetensors"] = digest_arrays(arrays)
                    parts.append(pa.table(_columns(task_id, name, arrays), SCHEMA))
            together = pa.concat_tables(parts)
            writer.write_table(together, row_group_size=len(together))


def _columns(task_id: str, configuration: str, arrays: Arrays) -> dict[str, object]:
    replicates, images = shape = arrays["predicted_class"].shape
    rows = replicates * images
    return {
        "task_id": [task_id] * rows,
        "configuration": [configuration] * rows,
        "replicate": np.repeat(np.arange(replicates, dtype=np.int32), images),
        **{name: np.broadcast_to(arrays[name], shape).ravel() for name in SCHEMA.names[3:]},
    }


def read_predictions(folder: str | Path, task_id: str, configuration: str) -> Arrays:
    """Return what `measurement.predict` gave of one experiment.

    Args:
        folder: holds them as `<task_id>/<configuration>.safetensors`.

    Raises:
        UserError: the file is missing, broken or another experiment's.
    """
    path = Path(folder, task_id, f"{configuration}.safetensors")
    arrays, ids = read_arrays(path)
    if ids != {"task_id": task_id, "configuration": configuration}:
        raise broken(path, "it is another experiment's")
    return arrays


def comparisons(predictions_path: str | Path) -> pd.DataFrame:
    """Return a row per task and pair of its configurations, the earlier one first.

    Args:
        predictions_path: what `write_predictions` wrote.

    Raises:
        UserError: the file is damaged, or the predictions of a task are not of the same images.
    """
    rows = []
    for task_id, right, replicates in right_by_task(predictions_path):
        for first, second, *values in compare(right, replicates):
            cells = (f"{value:.{SIGNIFICANT_DIGITS}g}" for value in values)
            rows.append([task_id, first, second, *cells])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def right_by_task(predictions_path: str | Path) -> Iterator[tuple[str, Right, int]]:
    """Yield task id, what `right_by_image` returns, and the number of replicates; one task at a time.

    Raises:
        UserError: the file is damaged, or the predictions of a task are not of the same images.
    """
    check_parquet(predictions_path)
    with pq.ParquetFile(predictions_path) as file:
        for number in range(file.num_row_groups):
            task = file.read_row_group(number)
            task_id = task["task_id"][0].as_py()
            if (right := right_by_image(task)) is None:
                raise broken(predictions_path, f"configurations of {task_id} saw other images")
            yield task_id, *right


def right_by_image(task: pa.Table) -> tuple[Right, int] | None:
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
    right: Right, replicates: int
) -> Iterator[tuple[str, str, float, float, float, float, float]]:
    """Each pair: its names, difference of accuracies, its 95 % interval, p, and p adjusted by Holm's
    method for the number of pairs.
    """
    pairs = list(itertools.combinations(right, 2))
    apart = {(first, second): right[first] - right[second] for first, second in pairs}
    p_values = {pair: mid_p(differences) for pair, differences in apart.items()}
    adjusted = holm(p_values)
    for pair, differences in apart.items():
        low, high = difference(differences / replicates)
        mean = float(differences.mean()) / replicates
        yield *pair, mean, low, high, p_values[pair], adjusted[pair]
