"""`target_representations.partial.csv`: the table of what is finished now."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metaprobe.core.files import write_text
from metaprobe.tables.target import Expected, Experiment, read_fragments, to_csv

START = "No experiment is finished yet: snakemake --cores 4 starts the run."


def write_finished(results: Path, experiments: Sequence[Experiment], expected: Expected) -> str:
    """Write the table of the sound fragments of this run; return lines that say what it holds."""
    fragments, _ = read_fragments(results / "metrics", experiments, expected)
    return _write(results, fragments, len(experiments))


def answer(results: Path, experiments: Sequence[Experiment], expected: Expected) -> str:
    """What `metaprobe partial` prints: the table is written, and broken fragments are named.

    Nothing is written while there is nothing to put into the table.
    """
    fragments, complaints = read_fragments(results / "metrics", experiments, expected)
    broken = [one for one in complaints if "does not exist" not in one]
    if not fragments:
        return "\n".join([START, *broken])
    left_out = [f"Left out: {one}" for one in broken]
    return "\n".join([_write(results, fragments, len(experiments)), *left_out])


def _write(results: Path, fragments: Sequence[dict[str, Any]], experiments: int) -> str:
    """Write the partial table, or delete it if the whole table is the same."""
    partial, whole = (
        results / f"target_representations{suffix}" for suffix in (".partial.csv", ".csv")
    )
    text = to_csv(fragments)
    if whole.is_file() and whole.read_bytes() == text.encode():
        partial.unlink(missing_ok=True)
        return f"{len(fragments)} of {experiments} experiments are finished; they are in {whole}."
    write_text(partial, text)
    said = f"{len(fragments)} of {experiments} experiments are finished; they are in {partial}."
    return f"{said}\n{whole} is of an earlier run." if whole.is_file() else said
