"""`target_representations.partial.csv`: the table of what is finished now."""

from collections.abc import Sequence
from pathlib import Path

from metaprobe.core.files import csv_text, write_text
from metaprobe.tables.collect import tables_of, target_table
from metaprobe.training.fragment import Fragment


def write_finished(results: Path, fragments: Sequence[Fragment], experiments: int) -> str:
    """Write the table of these fragments of a run; return lines that say what it holds.

    Where the whole table is the same, the partial one is deleted.
    """
    whole = results / "target_representations.csv"
    partial = whole.with_suffix(".partial.csv")
    text = csv_text(target_table(tables_of(fragments).experiments))
    finished = f"{len(fragments)} of {experiments} experiments are finished"
    if whole.is_file() and whole.read_bytes() == text.encode():
        partial.unlink(missing_ok=True)
        return f"{finished}; they are in {whole}."
    write_text(partial, text)
    said = f"{finished}; they are in {partial}." if fragments else f"{finished}."
    return f"{said}\n{whole} is of an earlier run." if whole.is_file() else said
