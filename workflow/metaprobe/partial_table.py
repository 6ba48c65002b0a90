"""`target_representations.partial.csv`: the table of what is finished now."""

from collections.abc import Sequence
from pathlib import Path

from workflow.metaprobe.tables import Expected, Experiment, read_fragments, write_partial_table

START = "No experiment is finished yet: snakemake --cores 4 starts the run."


def write_finished(results: Path, experiments: Sequence[Experiment], expected: Expected) -> str:
    """Write the partial table, unless the whole table is the same; return lines that say what it holds."""
    table = results / "target_representations.partial.csv"
    finished = write_partial_table(table, results / "metrics", experiments, expected)
    whole = results / "target_representations.csv"
    if whole.is_file() and whole.read_bytes() == table.read_bytes():
        table.unlink()
        table = whole
    lines = [f"{finished} of {len(experiments)} experiments are finished; they are in {table}."]
    if table != whole and whole.is_file():
        lines += [f"{whole} is of an earlier run."]
    return "\n".join(lines)


def answer(results: Path, experiments: Sequence[Experiment], expected: Expected) -> str:
    """What `snakemake partial` prints: the table is written, and broken fragments are named.

    Nothing is written while there is nothing to put into the table.
    """
    fragments, complaints = read_fragments(results / "metrics", experiments, expected)
    broken = [one for one in complaints if "does not exist" not in one]
    if not fragments:
        return "\n".join([START, *broken])
    left_out = [f"Left out: {one}" for one in broken]
    return "\n".join([write_finished(results, experiments, expected), *left_out])
