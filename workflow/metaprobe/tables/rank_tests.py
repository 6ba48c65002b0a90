"""Tests over tasks: whether one thing does better than another on most of them."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FEWEST_TASKS = 6  # with fewer, no two-sided signed-rank test can fall below 0.05
Name = TypeVar("Name", bound=Hashable)


def wilcoxon(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test over pairs; 1 where no pair differs."""
    from scipy import stats

    difference = np.round(first - second, 10)
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference).pvalue)


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Return the p-values adjusted by Holm's step-down method (statsmodels' `multipletests`)."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return {}
    adjusted = multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, map(float, adjusted), strict=True))
