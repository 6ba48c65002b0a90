"""`predictions.parquet`: one row per experiment, replicate and test image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metaprobe.core.files import Arrays, broken, read_arrays, replacing
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


def write_predictions(
    path: str | Path, folder: str | Path, experiments: Sequence[Experiment]
) -> None:
    """Write one Parquet file with a row per experiment, replicate and test image.

    The rows of one task are one row group, and only they are in memory at a time.

    Raises:
        UserError: predictions are missing, broken or another experiment's.
    """
    tasks = dict.fromkeys(task_id for task_id, _ in experiments)
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer,
    ):
        for task in tasks:
            parts = [
                pa.table(_columns(task_id, name, read_predictions(folder, task_id, name)), SCHEMA)
                for task_id, name in experiments
                if task_id == task
            ]
            together = pa.concat_tables(parts)
            writer.write_table(together, row_group_size=len(together))


def _columns(task_id: str, configuration: str, arrays: Arrays) -> dict[str, object]:
    replicates, images = arrays["predicted_class"].shape
    rows = replicates * images
    columns: dict[str, object] = {
        "task_id": [task_id] * rows,
        "configuration": [configuration] * rows,
        "replicate": np.repeat(np.arange(replicates, dtype=np.int32), images),
    }
    columns |= {name: np.tile(arrays[name], replicates) for name in ("image", "true_class")}
    return columns | {
        name: arrays[name].ravel()
        for name in ("predicted_class", "probability_true", "probability_predicted")
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
