"""Tasks to learn from and tasks held out, whole families apart."""

import numpy as np
import pandas as pd

from metaprobe.core.errors import UserError

SHOWN = 5  # tasks that a complaint names
Fold = tuple[list[str], list[str]]


def folds(tasks: pd.DataFrame, k: int, seed: int = 0) -> list[Fold]:
    """Return of each of k folds the tasks to learn from and those held out, in the order of `tasks`.

    Each task is held out once. Families, of which derived tasks are members, are shuffled; the largest
    is dealt first, always to the fold that has fewest tasks.

    Raises:
        UserError: there are fewer families than folds, or the family of a task is not known yet, which
            could put siblings on both sides.
    """
    if unknown := [str(name) for name in tasks.task_id[tasks.family.isna()]]:
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise UserError(
            f"folds(): the family of {', '.join(unknown[:SHOWN])}{more} is not known before an experiment"
            " of it is finished: go on with the run"
        )
    sizes = tasks.family.value_counts(sort=False)
    if not 2 <= k <= len(sizes):
        raise UserError(f"folds(k={k}): k is from 2 to the number of families, {len(sizes)}")
    shuffled = sizes.iloc[np.random.default_rng(seed).permutation(len(sizes))]
    fold_of: dict[str, int] = {}
    filled = [0] * k
    for family, size in shuffled.sort_values(ascending=False, kind="stable").items():
        fold_of[str(family)] = filled.index(min(filled))
        filled[fold_of[str(family)]] += size
    places = tasks.family.map(fold_of)
    return [(_ids(tasks, places != fold), _ids(tasks, places == fold)) for fold in range(k)]


def _ids(tasks: pd.DataFrame, chosen: "pd.Series[bool]") -> list[str]:
    return [str(name) for name in tasks.task_id[chosen]]
