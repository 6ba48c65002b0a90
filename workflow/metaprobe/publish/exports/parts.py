"""Data sets divided so that families stay together: into folds, and into three parts."""

from collections.abc import Sequence

import pandas as pd

from metaprobe.publish.results import Results
from metaprobe.reader.folds import folds

PARTS = ("train", "validation", "test")
FOLDS = 5  # of which one is for validation and one for testing
MOST_FOLDS = 10


def tasks_of(results: Results, tasks: Sequence[str]) -> pd.DataFrame:
    """Return a row per data set: `task_id` and `family`."""
    families = [results.families.get(task, task) for task in tasks]
    return pd.DataFrame({"task_id": tasks, "family": families})


def parts(results: Results, tasks: Sequence[str]) -> dict[str, list[str]]:
    """Return the data sets for training, validation and testing; all for testing if families are few."""
    table = tasks_of(results, tasks)
    families = table.family.nunique()
    if families < len(PARTS):
        return {"train": [], "validation": [], "test": list(tasks)}
    test, validation, *rest = (held for _, held in folds(table, min(FOLDS, families)))
    return {"train": [t for fold in rest for t in fold], "validation": validation, "test": test}


def fold_of(results: Results) -> dict[str, int]:
    """Return data set -> its fold, from 1; all in one if they are one family."""
    table = tasks_of(results, results.tasks)
    families = table.family.nunique()
    if families == 1:
        return dict.fromkeys(results.tasks, 1)
    dealt = folds(table, min(MOST_FOLDS, families))
    return {task: number for number, (_, held) in enumerate(dealt, 1) for task in held}
