"""The tables of a sweep: one row per entry of the grid, as Parquet."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from metaprobe.config.configurations import IN_GRID, TYPES
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, digest_file
from metaprobe.core.parquet import check_parquet, parquet_writer

ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}
PER_EPOCH = (
    "epoch_train_loss",
    "epoch_test_loss",
    "epoch_test_accuracy",
    "epoch_validation_loss",
    "epoch_validation_accuracy",
)
# Per-epoch columns have an item per finished epoch; null is what was not measured.
SCHEMA = pa.schema(
    {
        "task_id": pa.string(),
        **{name: ARROW[kind] for name, kind in TYPES.items() if name in (*IN_GRID, "alpha")},
        "validation_images": pa.int64(),
        "seed": pa.int64(),
        **dict.fromkeys(("test_accuracy", "train_accuracy", "test_loss"), pa.float64()),
        **dict.fromkeys(("validation_accuracy", "validation_loss"), pa.float64()),
        **dict.fromkeys(PER_EPOCH, pa.list_(pa.float64())),
        "seconds": pa.float64(),
        **dict.fromkeys(("best_epoch", "stopped_epoch"), pa.int64()),
        "reproducible": pa.bool_(),
        "diverged": pa.string(),
        **dict.fromkeys(("engine", "weights", "features_sha256"), pa.string()),
    }
)


def write_rows(path: str | Path, rows: Sequence[dict[str, Any]]) -> str:
    """Write rows as one Parquet file of SCHEMA, an absent value null; return a sentence about them.

    Raises:
        ValueError: a row has a value that SCHEMA does not know.
    """
    unknown = {name for row in rows for name in row} - set(SCHEMA.names)
    if unknown:
        raise ValueError(f"no columns for {sorted(unknown)}")
    return _write(path, pa.Table.from_pylist(list(rows), SCHEMA))


def concatenate(path: str | Path, parts: Iterable[str | Path]) -> str:
    """Write the rows of all parts, in their order, as one file; return a sentence about them.

    Raises:
        UserError: parts are missing or broken, all of them named.
    """
    tables, complaints, made_from = [], [], {}
    for file in parts:
        try:
            tables.append(read_rows(file))
            made_from["/".join(Path(file).parts[-3:])] = digest_file(file)
        except UserError as error:
            complaints.append(str(error))
    if complaints:
        raise UserError("\n".join(complaints))
    return _write(path, pa.concat_tables(tables), made_from)


def _write(path: str | Path, table: pa.Table, made_from: Mapping[str, str] | None = None) -> str:
    with parquet_writer(path, SCHEMA, made_from) as writer:
        writer.write_table(table)
    diverged = len(table) - table["diverged"].null_count
    return f"{path}: {len(table)} rows; {diverged} of them diverged, in training or in a fold"


def read_rows(path: str | Path) -> pa.Table:
    """Read what `write_rows` wrote; a UserError says if it is missing or damaged."""
    check_parquet(path)
    table = pq.read_table(path, partitioning=None)
    if not table.schema.equals(SCHEMA):
        raise broken(path, "it has other columns than a sweep writes")
    return table
