"""What each column of a table is, from the one dictionary of columns."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "reader/columns.toml"
FIRST_OF_EXPERIMENTS = "target_representations"  # whose columns the experiments have, too


@cache
def _dictionary() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}


def meaning(table: str, column: str) -> str:
    """Return what a column holds, with its unit; empty if the dictionary does not say."""
    known = _dictionary()
    for name in (table, *((FIRST_OF_EXPERIMENTS,) if table == "experiments" else ())):
        for pattern, entry in known.get(name, {}).items():
            if re.fullmatch(re.sub("<[a-z]+>", ".+", pattern), column):
                unit = f" ({entry['unit']})" if entry.get("unit") else ""
                return f"{entry['meaning']}{unit}"
    return ""
