"""`target_representations.csv`: 16 columns from fragments alone."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from metaprobe.core.csv_text import csv_text
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_text
from metaprobe.training.fragment import COLUMNS, FragmentReader

DECIMALS = {"test_accuracy": 4, "train_accuracy": 4, "test_loss": 4, "training_time_sec": 1}
EMPTY_WHEN_ZERO = ("weight_decay", "momentum", "dropout_rate", "label_smoothing", "grad_clip")
Experiment = tuple[str, str]
Expected = Mapping[Experiment, Mapping[str, Any]]


def row(fragment: dict[str, Any]) -> list[str]:
    """One line of the table: metrics rounded, hyperparameters not in use empty."""
    return [_cell(column, fragment[column]) for column in COLUMNS]


def to_csv(fragments: Iterable[dict[str, Any]]) -> str:
    """The table with its header, lines ended by a line feed."""
    return csv_text(COLUMNS, map(row, fragments))


def write_table(
    path: str | Path,
    folder: str | Path,
    experiments: Sequence[Experiment],
    expected: Expected = MappingProxyType({}),
) -> None:
    """Write the table of all `experiments`, in their order.

    Args:
        folder: holds the fragments as `<task_id>/<configuration>.json`.
        expected: what the fragment of an experiment must say to be of this run: hyperparameters,
            `seed`, `sampling`, and `weights`, their id.

    Raises:
        UserError: fragments are missing, broken or of another run, all of them named.
    """
    fragments, complaints = read_fragments(folder, experiments, expected)
    if complaints:
        raise UserError("\n".join(complaints))
    write_text(path, to_csv(fragments))


def read_fragments(
    folder: str | Path,
    experiments: Sequence[Experiment],
    expected: Expected = MappingProxyType({}),
) -> tuple[list[dict[str, Any]], list[str]]:
    """The sound fragments, in order, and a complaint about each of the others."""
    reader = FragmentReader()
    fragments, complaints = [], []
    pictures: dict[str, str] = {}
    for task_id, configuration in experiments:
        path = Path(folder, task_id, f"{configuration}.json")
        try:
            fragment = reader.read(
                path, task_id, configuration, expected.get((task_id, configuration), {})
            )
        except UserError as error:
            complaints.append(str(error))
            continue
        if pictures.setdefault(task_id, fragment["pixels_sha256"]) != fragment["pixels_sha256"]:
            complaints.append(
                f"{path}: the pictures of {task_id} changed between its architectures: delete "
                f"its subset and start the run again"
            )
            continue
        fragments.append(fragment)
    return fragments, complaints


def _cell(column: str, value: Any) -> str:
    if column in EMPTY_WHEN_ZERO and not value:
        return ""
    return str(round(value, DECIMALS[column]) if column in DECIMALS else value)
