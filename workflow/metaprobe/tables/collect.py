"""All that fragments know, read and validated once, as tables: what comes after reads only these."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pandas as pd
import pyarrow as pa

from metaprobe.config.configurations import BLANK_WHEN_ZERO, TARGET_COLUMNS
from metaprobe.core.errors import UserError
from metaprobe.core.parquet import read_parquet
from metaprobe.tables.rows import curve_rows, experiment_row, replicate_rows
from metaprobe.training.fragment import (
    CHOICES,
    METRICS,
    Expected,
    Experiment,
    Fragment,
    Model,
    Point,
    check_same_pictures,
    read_fragment,
)

DECIMALS = {"test_accuracy": 4, "train_accuracy": 4, "test_loss": 4, "training_time_sec": 1}
Types = dict[str, pa.DataType]
TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
IDS: Types = {"task_id": pa.string(), "configuration": pa.string()}
REPLICATE = IDS | {"replicate": pa.int32(), "seed": pa.uint64()}
REPLICATES = REPLICATE | dict.fromkeys((*METRICS, "seconds", "cpu_seconds", *CHOICES), pa.float64())
CURVES = REPLICATE | dict.fromkeys(Point.__annotations__, pa.float64()) | {"epoch": pa.int32()}
ADDED: Types = {"replicates": pa.int32()}
ADDED |= dict.fromkeys(("test_accuracy_low", "test_accuracy_high"), pa.float64())
ADDED |= {f"{name}_std": pa.float64() for name in METRICS}


@dataclass(frozen=True)
class Tables:
    """A row per experiment, per trained head, and per head and epoch, in the declared order; what
    does not apply is NaN.
    """

    experiments: pd.DataFrame
    replicates: pd.DataFrame
    curves: pd.DataFrame

    @property
    def made_from(self) -> dict[str, str]:
        """Each fragment, by its name in the results folder, and its digest."""
        rows = self.experiments[["task_id", "configuration", "sha256"]].to_numpy().tolist()
        return {f"metrics/{task}/{name}.json": sha256 for task, name, sha256 in rows}


def read_fragments(
    folder: str | Path,
    experiments: Sequence[Experiment],
    expected: Expected = MappingProxyType({}),
) -> tuple[list[Fragment], list[str]]:
    """Return the sound fragments, in order, and a complaint about each of the others.

    Args:
        folder: holds the fragments as `<task_id>/<configuration>.json`.
    """
    fragments, complaints = [], []
    pictures: dict[str, str] = {}
    for task_id, configuration in experiments:
        path = Path(folder, task_id, f"{configuration}.json")
        facts = expected.get((task_id, configuration), {})
        try:
            fragment = read_fragment(path, task_id, configuration, facts)
            check_same_pictures(fragment, path, pictures)
            fragments.append(fragment)
        except UserError as error:
            complaints.append(str(error))
    return fragments, complaints


def collect(
    folder: str | Path,
    experiments: Sequence[Experiment],
    expected: Expected = MappingProxyType({}),
) -> Tables:
    """Read the fragments of all `experiments` as tables.

    Raises:
        UserError: fragments are missing, broken or of another run, all of them named.
    """
    fragments, complaints = read_fragments(folder, experiments, expected)
    if complaints:
        raise UserError("\n".join(complaints))
    return tables_of(fragments)


def read_tables(results: Path) -> Tables:
    """Read the tables that a run has written.

    Raises:
        UserError: one is missing or damaged.
    """
    names = ("experiments", "replicates", "curves")
    return Tables(*(read_parquet(results / f"{name}.parquet") for name in names))


def tables_of(fragments: Sequence[Fragment]) -> Tables:
    """Return the tables of fragments."""
    contents = [fragment.model_dump() for fragment in fragments]
    experiments = [experiment_row(one, METRICS) for one in contents]
    replicates = [row for one in contents for row in replicate_rows(one)]
    curves = [row for one in contents for row in curve_rows(one)]
    return Tables(
        *(
            pa.Table.from_pylist(rows, pa.schema(types)).to_pandas()
            for rows, types in (
                (experiments, experiment_types(fragments)),
                (replicates, REPLICATES),
                (curves, CURVES),
            )
        )
    )


def experiment_types(fragments: Sequence[Fragment]) -> Types:
    """Return column → type of the table of experiments, first the 16 of the target table.

    Lists are left to the other tables; a mapping is a column per key, `seconds_head`. The keys of
    `versions` are those of any fragment.
    """
    names = dict.fromkeys([*TARGET_COLUMNS, *Fragment.model_fields])
    types: Types = {}
    for name in names:
        kind: Any = Fragment.model_fields[name].annotation
        if isinstance(kind, type) and issubclass(kind, Model):
            for key, field in kind.model_fields.items():
                types[f"{name}_{key}"] = _type(field.annotation)
        elif get_origin(kind) is dict:
            keys = sorted({key for fragment in fragments for key in getattr(fragment, name)})
            types |= {f"{name}_{key}": _type(get_args(kind)[1]) for key in keys}
        elif get_origin(kind) is not list:
            types[name] = _type(kind)
    return types | ADDED


def _type(kind: Any) -> pa.DataType:
    """Return the type of a column whose values are of `kind`, or None."""
    if isinstance(kind, UnionType) or get_origin(kind) in (Union, Annotated):
        return _type(next(one for one in get_args(kind) if one is not type(None)))
    if get_origin(kind) is Literal:
        return _type(type(get_args(kind)[0]))
    return TYPES[kind]


def target_table(experiments: pd.DataFrame) -> pd.DataFrame:
    """Return the 16 columns: metrics rounded, hyperparameters not in use blank."""
    table = experiments[list(TARGET_COLUMNS)].copy()
    for name, decimals in DECIMALS.items():  # Python rounds exactly, pandas does not
        table[name] = [round(value, decimals) for value in table[name].tolist()]
    for name in BLANK_WHEN_ZERO:
        table[name] = table[name].where(table[name] != 0)
    return table
