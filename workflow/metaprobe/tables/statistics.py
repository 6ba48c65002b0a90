"""Intervals and tests of one accuracy, and of two on the same images; and p-values of many."""

import math
from collections.abc import Hashable, Mapping
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
Floats = NDArray[np.float64]
Name = TypeVar("Name", bound=Hashable)


def wilson(accuracy: float, images: int) -> tuple[float, float]:
    """Return the 95 % score interval of an accuracy on `images` images (Wilson, JASA 22, 1927).

    As statsmodels' `proportion_confint`, but for the last digit, and `experiments.csv` shows all. Of
    a mean over replicates it is an upper bound of the width: what lies in [0, 1] and has the mean p
    varies by p (1 - p) at most, as right and wrong do.
    """
    shrink = 1 + Z**2 / images
    centre = (accuracy + Z**2 / (2 * images)) / shrink
    spread = accuracy * (1 - accuracy) / images + Z**2 / (4 * images**2)
    half = Z / shrink * math.sqrt(spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def difference(differences: Floats) -> tuple[float, float]:
    """Return the 95 % interval of the mean of paired differences (N,), each in [-1, 1].

    Bonett & Price, J. Educ. Behav. Stat. 37, 2012: the normal interval after one image more that
    only the first, and one more that only the second classifies correctly. With one replicate it is
    theirs; with more, a difference is a mean over replicates and the formula is the same.
    """
    added = np.concatenate([differences, [1.0, -1.0]])
    centre, half = added.mean(), Z * added.std() / math.sqrt(len(added))
    return max(-1.0, float(centre - half)), min(1.0, float(centre + half))


def mid_p(differences: NDArray[np.int64]) -> float:
    """Return the two-sided mid-p of the paired permutation test of whole-numbered differences (N,).

    Under the null hypothesis each difference has either sign with probability 1/2; p is the
    probability of a sum farther from 0 than theirs, and half that of one as far. With differences
    of -1, 0 and 1 it is McNemar's mid-p test, which keeps its level where the exact one is far
    below it (Fagerland, Lydersen and Laake, BMC Med. Res. Methodol. 13:91, 2013). 1 if none differs.
    """
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    if not len(sizes):
        return 1.0
    total = int(sizes @ counts)
    chances = np.ones(1)
    for size, count in zip(sizes, counts, strict=True):
        positive = np.zeros(size * count + 1)
        positive[::size] = fair_binomial(int(count))
        chances = np.convolve(chances, positive)
    sums = np.abs(2 * np.arange(total + 1) - total)
    reach = abs(differences.sum())
    return float(chances[sums > reach].sum() + chances[sums == reach].sum() / 2)


def fair_binomial(count: int) -> Floats:
    """Return the probabilities (count + 1,) of 0, 1, ..., `count` heads in `count` throws of a coin.

    scipy's `binom.pmf` is off by one in the last of six digits where p lies between two of them.
    """
    heads = np.arange(1, count + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(count + 1 - heads) - np.log(heads))])
    powers: Floats = np.exp(logs - count * math.log(2))
    return powers


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Return the p-values adjusted by Holm's step-down method (statsmodels' `multipletests`)."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return {}
    adjusted = multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, map(float, adjusted), strict=True))
