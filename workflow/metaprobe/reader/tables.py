"""The tables of results as pandas, of a finished run or of what is there of an unfinished one."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from metaprobe.core.arrays import read_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_checked_json
from metaprobe.core.parquet import check_parquet
from metaprobe.reader.dictionary import columns_of, defaults, left_out, schema
from metaprobe.reader.places import Place
from metaprobe.tables.rows import curve_rows, experiment_row

RUN = "snakemake --cores 4"
MAKES = {"sweep.parquet": "snakemake sweep --cores 4"}


def lacking(place: Place, name: str) -> UserError:
    """Return the error for a file that is not there: which, and the command that makes it."""
    command = MAKES.get(name, RUN)
    return UserError(f"{place.name} has no {name}: `{command}` in the checkout makes it")


def read(place: Place, name: str) -> pa.Table | None:
    """Return a Parquet table, proved to be as it was written; None if there is none.

    Raises:
        UserError: it is damaged.
    """
    path = place.path(name)
    if path is None:
        return None
    check_parquet(path)
    return pq.read_table(path, partitioning=None)


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Return a table as pandas: lists stay Arrow's, and whole or logical numbers stay so beside nulls."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=_list_type)
    for field, column in zip(table.schema, table.columns, strict=True):
        if column.null_count and pa.types.is_integer(field.type):
            frame[field.name] = pd.array(column.to_numpy(), dtype="Int64")
        elif column.null_count and pa.types.is_boolean(field.type):
            frame[field.name] = pd.array(column.to_pylist(), dtype="boolean")
    return frame


def _list_type(kind: pa.DataType) -> pd.ArrowDtype | None:
    return pd.ArrowDtype(kind) if pa.types.is_list(kind) else None


def fragments(place: Place) -> list[dict[str, Any]]:
    """Return what is known of each finished experiment of an unfinished run.

    Raises:
        UserError: one is damaged.
    """
    names = place.names("metrics/*/*.json")
    return [left_out() | read_checked_json(_path(place, name)) for name in names]


def _path(place: Place, name: str) -> Any:
    path = place.path(name)
    if path is None:
        raise lacking(place, name)
    return path


def _table_or(
    place: Place, name: str, rows: Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]]
) -> pd.DataFrame:
    """Return the table of experiments or curves, or the rows of the fragments that are there."""
    table = read(place, f"{name}.parquet")
    if table is None:
        found = [row for one in fragments(place) for row in rows(one)]
        if not found:
            raise lacking(place, f"{name}.parquet")
        names = dict.fromkeys(key for row in found for key in row)
        table = pa.Table.from_pylist(found, schema(name, names))
    return to_pandas(table)


def experiments(place: Place) -> pd.DataFrame:
    """Return a row per experiment."""
    known = columns_of("experiments")
    metrics = [name.removesuffix("_std") for name in known if name.endswith("_std")]
    return _table_or(place, "experiments", lambda one: [experiment_row(one, metrics)])


def curves(place: Place) -> pd.DataFrame:
    """Return a row per experiment, replicate and epoch."""
    return _table_or(place, "curves", curve_rows)


def predictions(place: Place) -> pd.DataFrame:
    """Return a row per experiment, replicate and test image."""
    table = read(place, "predictions.parquet")
    if table is not None:
        return to_pandas(table)
    names = place.names("predictions/*/*.safetensors")
    if not names:
        raise lacking(place, "predictions.parquet")
    return pd.concat([_predicted(place, name) for name in names], ignore_index=True)


def _predicted(place: Place, name: str) -> pd.DataFrame:
    arrays, facts = read_arrays(_path(place, name))
    replicates, images = arrays["predicted_class"].shape
    columns: dict[str, Any] = {key: facts[key] for key in ("task_id", "configuration")}
    columns["replicate"] = np.repeat(np.arange(replicates, dtype=np.int32), images)
    for key in list(columns_of("predictions"))[len(columns) :]:
        array = arrays[key]
        columns[key] = np.tile(array, replicates) if array.ndim == 1 else array.ravel()
    return pd.DataFrame(columns)


def meta_features(place: Place) -> pd.DataFrame:
    """Return a row per task, in full precision."""
    table = read(place, "basic_representations.parquet")
    if table is not None:
        return to_pandas(table)
    rows = []
    for name in place.names("descriptions/*.json"):
        one = read_checked_json(_path(place, name))
        rows.append({"task_id": one["task_id"], **one["rows"][0]})
    if not rows:
        raise lacking(place, "basic_representations.parquet")
    return pd.DataFrame(rows)


def sweep(place: Place) -> pd.DataFrame:
    """Return a row per entry of the grid, task and replicate; of an unfinished sweep the finished parts."""
    table = read(place, "sweep.parquet")
    if table is None:
        parts = [read(place, name) for name in place.names("sweep/*/*.parquet")]
        if not parts:
            raise lacking(place, "sweep.parquet")
        table = pa.concat_tables([part for part in parts if part is not None])
    return to_pandas(table)


def configurations(experiments: pd.DataFrame) -> pd.DataFrame:
    """Return a row per configuration with its hyperparameters."""
    names = ["configuration", *(name for name in defaults() if name in experiments)]
    return experiments[names].drop_duplicates("configuration", ignore_index=True)


def tasks(place: Place, experiments: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a row per data set: of the table of experiments; of an unfinished run, of the fragments,
    and of the subsets of those tasks that have none yet, whose family is not known but where they are
    derived from one with fragments.
    """
    names = [name for name in columns_of("tasks") if name != "derived_from"]
    subsets = place.names("subsets/*.json")
    if subsets and not place.path("experiments.parquet"):
        tried = _of_fragments(place)
        drawn = [_of_subset(read_checked_json(_path(place, name))) for name in subsets]
        rows = [*tried.values(), *(one for one in drawn if one["task_id"] not in tried)]
        table = to_pandas(pa.Table.from_pylist(rows, schema("tasks", names)))[names]
        known = table.task_id.isin([*tried])
    else:
        table = experiments()[names].drop_duplicates("task_id", ignore_index=True)
        known = table.task_id.notna()
    parent = table.read_as.str.extract(r"^derived from (.+)$", expand=False)
    own = table.family.fillna(parent).fillna(table.task_id).where(known)
    of_parent = parent.map(dict(zip(table.task_id, own, strict=True))).astype(own.dtype)
    table = table.assign(family=own.fillna(of_parent))
    table.insert(2, "derived_from", parent)
    return table


def _of_fragments(place: Place) -> dict[str, Mapping[str, Any]]:
    """Return task -> what the first fragment of each says of it."""
    firsts = {name.split("/")[1]: name for name in reversed(place.names("metrics/*/*.json"))}
    found = [left_out() | read_checked_json(_path(place, name)) for name in sorted(firsts.values())]
    return {one["task_id"]: experiment_row(one, []) for one in found}


def _of_subset(subset: Mapping[str, Any]) -> dict[str, Any]:
    counts = {f"{part}_images": subset[part]["images"] for part in ("train", "test")}
    told = {"subset_sha256": subset["sha256"], "split_rule": subset["split"]["rule"]}
    return {**subset, **counts, **told, "family": None}
