"""`experiments.csv` and `.parquet`, `replicates.parquet` and `curves.parquet`: all fragments know."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from metaprobe.core.csv_text import csv_text
from metaprobe.core.errors import UserError
from metaprobe.core.files import replacing, write_text
from metaprobe.tables.intervals import wilson
from metaprobe.tables.target import Expected, Experiment, read_fragments
from metaprobe.training.fragment import METRICS, SCHEMA

TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
}
IDS = {"task_id": pa.string(), "configuration": pa.string()}
REPLICATE = IDS | {"replicate": pa.int32(), "seed": pa.uint64()}
REPLICATES = REPLICATE | dict.fromkeys((*METRICS, "seconds"), pa.float64())
CURVES = REPLICATE | {"epoch": pa.int32()}
CURVES |= dict.fromkeys(("train_loss", "test_loss", "test_accuracy"), pa.float64())
ADDED = {"replicates": pa.int32()}
ADDED |= dict.fromkeys(("test_accuracy_low", "test_accuracy_high"), pa.float64())
ADDED |= {f"{name}_std": pa.float64() for name in METRICS}
Keys = tuple[str, ...]


def write_experiments(
    folder: str | Path,
    experiments: Sequence[Experiment],
    expected: Expected = MappingProxyType({}),
    *,
    experiments_csv: str | Path,
    experiments_parquet: str | Path,
    replicates_parquet: str | Path,
    curves_parquet: str | Path,
) -> None:
    """Write the four tables of all `experiments`, in their order.

    Args:
        folder: holds the fragments as `<task_id>/<configuration>.json`.
        expected: see `tables.write_table`.

    Raises:
        UserError: fragments are missing, broken or of another run, all of them named.
    """
    fragments, complaints = read_fragments(folder, experiments, expected)
    if complaints:
        raise UserError("\n".join(complaints))
    columns = fragment_columns(fragments)
    rows = [experiment_row(fragment, columns) for fragment in fragments]
    types = {name: kind for name, (_, kind) in columns.items()} | ADDED
    write_parquet(experiments_parquet, rows, types)
    cells = ([row[column] for column in types] for row in rows)
    write_text(experiments_csv, csv_text(list(types), cells))
    write_parquet(replicates_parquet, list(replicate_rows(fragments)), REPLICATES)
    write_parquet(curves_parquet, list(curve_rows(fragments)), CURVES)


def fragment_columns(
    fragments: Sequence[dict[str, Any]],
) -> dict[str, tuple[Keys, pa.DataType]]:
    """Column → where its value stands in a fragment, and its type, in the order of the schema.

    Lists are left to the other tables; a mapping is a column per key, `seconds_head`. The keys of
    `versions` are those of any fragment.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    columns: dict[str, tuple[Keys, pa.DataType]] = {}
    for name, part in schema["properties"].items():
        part = _resolved(part, schema)
        if part.get("type") == "object":
            keys = part.get("properties") or dict.fromkeys(
                sorted({key for fragment in fragments for key in fragment[name]}),
                part["additionalProperties"],
            )
            for key, inner in keys.items():
                columns[f"{name}_{key}"] = (name, key), _type(_resolved(inner, schema))
        elif part.get("type") != "array":
            columns[name] = (name,), _type(part)
    return columns


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: dict[str, Any] = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return found


def _type(part: dict[str, Any]) -> pa.DataType:
    if "type" not in part:
        example = part["const"] if "const" in part else part["enum"][0]
        return pa.string() if isinstance(example, str) else pa.float64()
    kinds = [part["type"]] if isinstance(part["type"], str) else part["type"]
    (kind,) = (kind for kind in kinds if kind != "null")
    return TYPES[kind]


def experiment_row(
    fragment: dict[str, Any], columns: Mapping[str, tuple[Keys, pa.DataType]]
) -> dict[str, Any]:
    """One row of the table of experiments: what the fragment says, intervals and spread."""
    row = {name: _at(keys, fragment) for name, (keys, _) in columns.items()}
    replicates = fragment["replicates"]
    low, high = wilson(fragment["test_accuracy"], fragment["test_images"])
    row |= {"replicates": len(replicates), "test_accuracy_low": low, "test_accuracy_high": high}
    for name in METRICS:
        values = [one[name] for one in replicates]
        row[f"{name}_std"] = statistics.stdev(values) if len(values) > 1 else None
    return row


def _at(keys: Keys, fragment: dict[str, Any]) -> Any:
    value: Any = fragment
    for key in keys:
        value = value.get(key)
    return value


def replicate_rows(fragments: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row per experiment and replicate, with its metrics."""
    for fragment in fragments:
        ids = {name: fragment[name] for name in IDS}
        for number, one in enumerate(fragment["replicates"]):
            yield ids | {"replicate": number} | {key: one[key] for key in REPLICATES if key in one}


def curve_rows(fragments: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row per experiment, replicate and epoch."""
    for fragment in fragments:
        ids = {name: fragment[name] for name in IDS}
        for number, one in enumerate(fragment["replicates"]):
            for point in one["learning_curve"]:
                yield ids | {"replicate": number, "seed": one["seed"]} | point


def write_parquet(
    path: str | Path, rows: Sequence[dict[str, Any]], types: Mapping[str, pa.DataType]
) -> None:
    """Write rows as Parquet with columns of these types."""
    table = pa.Table.from_pylist(list(rows), pa.schema(list(types.items())))
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
