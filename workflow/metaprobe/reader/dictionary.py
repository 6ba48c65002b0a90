"""What each column of each table is: `columns.toml`, the one place that says so."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa

ARROW = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "true/false": pa.bool_(),
}


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        type: `text`, `integer`, `number`, `true/false`, `list of numbers`.
        default: of a hyperparameter, what holds where a configuration does not say.
        absent: of what else a fragment need not say, the same.
        source: of a meta-feature, who has proposed it.
    """

    type: str
    unit: str = ""
    meaning: str = ""
    default: Any = None
    absent: Any = None
    source: str = ""


@cache
def dictionary() -> dict[str, dict[str, Column]]:
    """Return table -> column -> what it is, in the order of the columns."""
    text = files("metaprobe.reader").joinpath("columns.toml").read_text(encoding="utf-8")
    return {
        table: {name: Column(**fields) for name, fields in columns.items()}
        for table, columns in tomllib.loads(text).items()
    }


def columns_of(table: str) -> dict[str, Column]:
    """Return the columns of a table in its files; the experiments' begin with the target table's 16."""
    known = dictionary()
    if table == "experiments":
        return known["target_representations"] | known["experiments"]
    return known[table]


@cache
def defaults() -> dict[str, Any]:
    """Return each hyperparameter and what holds where a configuration does not say, in order."""
    columns = columns_of("experiments").items()
    return {name: one.default for name, one in columns if one.default is not None}


@cache
def left_out() -> dict[str, Any]:
    """Return what holds where a fragment does not say."""
    columns = columns_of("experiments").items()
    return defaults() | {n: one.absent for n, one in columns if one.absent is not None}


def schema(table: str, names: Iterable[str]) -> pa.Schema:
    """Return the types of a table that holds these names, in the dictionary's order; others are left out.

    `versions_<library>` stands for all names that begin so.
    """
    names = list(names)
    fields: list[tuple[str, pa.DataType]] = []
    for name, column in columns_of(table).items():
        start, some, _ = name.partition("<")
        alike = sorted(n for n in names if n.startswith(start)) if some else [name]
        fields += [(one, ARROW[column.type]) for one in alike]
    return pa.schema(fields)


def explained(name: str | None = None) -> list[tuple[str, str, Column]]:
    """Return table, column and what it is, of all columns, or of those of a name.

    `versions_torch` is found as `versions_<library>`.
    """
    rows = [
        (table, key, one) for table, known in dictionary().items() for key, one in known.items()
    ]
    if name is None:
        return rows
    exact = [row for row in rows if row[1] == name]
    return exact or [row for row in rows if "<" in row[1] and name.startswith(_start(row[1]))]


def _start(key: str) -> str:
    return key.partition("<")[0] or "\0"  # <hyperparameter> is the start of no name
