"""Data sets divided so that families stay together: into folds, and into three parts."""

import pandas as pd

from metaprobe.publish.results import Results
from metaprobe.reader.folds import folds

PARTS = ("train", "validation", "test")
FOLDS = 5  # of which one is for validation and one for testing
MOST_FOLDS = 10


def tasks_of(results: Results) -> pd.DataFrame:
    """Return a row per data set: `task_id` and `family`."""
    return pd.DataFrame(
        {"task_id": results.tasks, "family": map(results.families.get, results.tasks)}
    )


def parts(results: Results) -> dict[str, list[str]]:
    """Return the data sets for training, validation and testing; all for testing if families are few."""
    families = len({*results.families.values()})
    if families < len(PARTS):
        return {"train": [], "validation": [], "test": results.tasks}
    dealt = [held for _, held in folds(tasks_of(results), min(FOLDS, families))]
    test, validation, *rest = dealt
    return {"train": [t for fold in rest for t in fold], "validation": validation, "test": test}


def fold_of(results: Results) -> dict[str, int]:
    """Return data set -> its fold, from 1; all in one if they are one family."""
    families = len({*results.families.values()})
    if families == 1:
        return dict.fromkeys(results.tasks, 1)
    dealt = folds(tasks_of(results), min(MOST_FOLDS, families))
    return {task: number for number, (_, held) in enumerate(dealt, 1) for task in held}
