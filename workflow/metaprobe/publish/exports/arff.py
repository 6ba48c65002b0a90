"""ARFF files, the tables of Weka: a header of typed attributes, then a line per row."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def arff(relation: str, attributes: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> str:
    """Return the text of a file.

    Args:
        attributes: name -> `NUMERIC`, `STRING` or what `nominal` returns.
        rows: a cell that is None or NaN is unknown: `?`.
    """
    header = [f"@RELATION {quoted(relation)}", ""]
    header += [f"@ATTRIBUTE {quoted(name)} {kind}" for name, kind in attributes.items()]
    lines = [",".join(map(cell, row)) for row in rows]
    return "\n".join([*header, "", "@DATA", *lines]) + "\n"


def nominal(values: Iterable[str]) -> str:
    """Return the type of an attribute that has one of these values."""
    return "{" + ",".join(map(quoted, values)) + "}"


def cell(value: Any) -> str:
    """Return a value as it stands in a row."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "?"
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    """Return a text as it stands in a file, in quotes if it has more than letters, digits, `_.-`."""
    if text and PLAIN.issuperset(text):
        return text
    if "'" in text and not {*'"\\\n'} & {*text}:  # readers do not take a backslash out of names
        return f'"{text}"'
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
