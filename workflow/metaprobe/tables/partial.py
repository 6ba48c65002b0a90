"""`target_representations.partial.csv`: the table of what is finished now."""

from collections.abc import Sequence
from pathlib import Path

from metaprobe.core.files import csv_text, write_text
from metaprobe.tables.collect import read_fragments, tables_of, target_table
from metaprobe.training.fragment import Expected, Experiment, Fragment

START = "No experiment is finished yet: snakemake --cores 4 starts the run."


def write_finished(results: Path, experiments: Sequence[Experiment], expected: Expected) -> str:
    """Write the table of the sound fragments of this run; return lines that say what it holds."""
    fragments, _ = read_fragments(results / "metrics", experiments, expected)
    return _write(results, fragments, len(experiments))


def answer(results: Path, experiments: Sequence[Experiment], expected: Expected) -> str:
    """Return what `metaprobe partial` prints: the table is written, and broken fragments are named.

    Nothing is written while there is nothing to put into the table.
    """
    fragments, complaints = read_fragments(results / "metrics", experiments, expected)
    broken = [one for one in complaints if "does not exist" not in one]
    if not fragments:
        return "\n".join([START, *broken])
    left_out = [f"Left out: {one}" for one in broken]
    return "\n".join([_write(results, fragments, len(experiments)), *left_out])


def _write(results: Path, fragments: Sequence[Fragment], experiments: int) -> str:
    """Write the partial table, or delete it if the whole table is the same."""
    whole = results / "target_representations.csv"
    partial = whole.with_suffix(".partial.csv")
    text = csv_text(target_table(tables_of(fragments).experiments))
    if whole.is_file() and whole.read_bytes() == text.encode():
        partial.unlink(missing_ok=True)
        return f"{len(fragments)} of {experiments} experiments are finished; they are in {whole}."
    write_text(partial, text)
    said = f"{len(fragments)} of {experiments} experiments are finished; they are in {partial}."
    return f"{said}\n{whole} is of an earlier run." if whole.is_file() else said
