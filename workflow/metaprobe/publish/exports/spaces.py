"""What optimisers search in: the configurations of the table, and the grid of the sweep."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaprobe.publish.results import Results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Space:
    """Rows of `task_id`, hyperparameters and accuracies; `score` names the accuracy to search by."""

    name: str
    rows: "pd.DataFrame"
    score: str


def spaces(results: Results) -> Iterator[Space]:
    """Yield the configurations, and the sweep if there is one; what diverged in it is left out.

    The score is the validation accuracy where each row has one, and else the test accuracy.
    """
    yield Space("configurations", results.experiments, score_of(results.experiments))
    if (sweep := results.sweep) is not None:
        sound = sweep[sweep.test_accuracy.notna()]
        yield Space("sweep", sound, score_of(sound))


def score_of(rows: "pd.DataFrame") -> str:
    """Return the accuracy by which to search."""
    validated = rows.validation_accuracy.notna().all() and len(rows) > 0
    return "validation_accuracy" if validated else "test_accuracy"
