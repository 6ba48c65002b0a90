"""Tests and intervals over tasks some of which are relatives: whole families are flipped, permuted
and resampled, as only families are independent of each other.

What they promise is simulated by `python -m benchmarks.coverage`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metaprobe.tables.statistics import CONFIDENCE

Floats = NDArray[np.float64]

RESAMPLES = 10_000
# Nominal 95 % would be 0.025. A bootstrap-t interval of so few and so skewed values covers less than
# it says; with this tail it covers 0.93 and more of the cases of `benchmarks.coverage`.
TAIL = 0.0075
NARROWEST = 0.1  # of a resample's standard error, in that of the sample
PERMUTATIONS = 9_999
EXACT = 32  # families whose 2^32 flips are counted as 2^16 by 2^16 sums
ROUNDING = 1e-9


def fewest_families(comparisons: int = 1) -> int:
    """Return with how many families a two-sided sign-flip test can fall below 0.05 at all.

    Its smallest p is 2 / 2^families; Holm's correction multiplies it by the number of comparisons.
    """
    families = 1
    while comparisons * 2 ** (1 - families) >= 1 - CONFIDENCE:
        families += 1
    return families


FEWEST_FAMILIES = fewest_families()


def family_sums(values: Floats, families: Sequence[str]) -> Floats:
    """Return (F,) or (F, C) sums of (T,) or (T, C) values over the tasks of each family.

    Raises:
        ValueError: a value is no finite number: to a test it would look like the largest of all.
    """
    if not np.isfinite(values).all():
        raise ValueError("values of tasks must be finite numbers")
    _, place = np.unique(np.asarray(families), return_inverse=True)
    sums = np.zeros((place.max() + 1, *values.shape[1:]))
    np.add.at(sums, place, values)
    return sums


def sign_flip_p(differences: Floats, families: Sequence[str]) -> float:
    """Return the two-sided p that the mean of (T,) differences is 0; 1 where none differs.

    Under the null hypothesis the differences of a whole family have either sign with probability
    1/2; p is the probability of a sum at least as far from 0 as theirs (Fisher, The Design of
    Experiments, 1935; for clusters: Canay, Romano and Shaikh, Econometrica 85, 2017). All flips are
    counted, up to `EXACT` families; beyond it, a fixed draw of them, the observed one among them.
    """
    sums = family_sums(differences, families)
    reach = abs(float(sums.sum())) - ROUNDING * float(np.abs(sums).sum())
    sums = sums[sums != 0]
    if reach <= 0:
        return 1.0
    if len(sums) > EXACT:
        signs = np.random.default_rng(0).integers(0, 2, (PERMUTATIONS, len(sums))) * 2 - 1
        return float((1 + np.sum(np.abs(signs @ sums) >= reach)) / (1 + PERMUTATIONS))
    first, second = (_all_sums(half) for half in np.array_split(sums, 2))
    beyond = len(second) - np.searchsorted(np.sort(second), reach - first)
    return float(2 * beyond.sum() / 2 ** len(sums))


def _all_sums(values: Floats) -> Floats:
    """Return the (2^N,) sums of N values under all choices of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def signed_ranks(differences: Floats) -> Floats:
    """Return the ranks of the sizes of (T,) differences, with their signs; 0 where nothing differs.

    Wilcoxon's (Biometrics Bulletin 1, 1945), for differences whose units do not compare from task
    to task.
    """
    from scipy.stats import rankdata

    differences = np.round(differences, 10)
    differs = differences != 0
    ranks = np.zeros(len(differences))
    ranks[differs] = rankdata(np.abs(differences[differs]))
    signed: Floats = np.sign(differences) * ranks
    return signed


def friedman_p(values: Floats, families: Sequence[str], permutations: int = PERMUTATIONS) -> float:
    """Return the p that the C columns of (T, C) are alike, by Friedman's statistic (JASA 32, 1937).

    Under the null hypothesis the columns can be exchanged within a family, in all its tasks
    jointly; p is of a fixed draw of such exchanges and the observed order.
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.round(values, 10), axis=1)
    blocks = family_sums(ranks - ranks.mean(axis=1, keepdims=True), families)
    rng = np.random.default_rng(0)
    totals = np.zeros((permutations, blocks.shape[1]))
    for block in blocks:
        totals += rng.permuted(np.tile(block, (permutations, 1)), axis=1)
    observed = np.square(blocks.sum(axis=0)).sum() * (1 - ROUNDING)
    reached = np.sum(np.square(totals).sum(axis=1) >= observed)
    return float((1 + reached) / (1 + permutations))


def mean_interval(
    values: Floats, families: Sequence[str], rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return the interval of the mean of (T,) values, by the bootstrap-t over whole families.

    What it covers: docs/recommendation.md.

    Returns:
        None with fewer than `FEWEST_FAMILIES` families, or where all of them are alike.
    """
    sums = family_sums(values, families)
    if len(sums) < FEWEST_FAMILIES:
        return None
    sizes = family_sums(np.ones(len(values)), families)
    low, high = mean_intervals(sums[:, None], sizes, resample(len(sums), rng))
    return None if np.isnan(low[0]) else (float(low[0]), float(high[0]))


def resample(families: int, rng: np.random.Generator, count: int = RESAMPLES) -> Floats:
    """Return (count, F): how often each of F families is drawn in F draws with replacement."""
    draws = rng.multinomial(families, np.full(families, 1 / families), size=count)
    return draws.astype(np.float64)


def mean_intervals(
    sums: Floats, sizes: Floats, draws: Floats, tail: float = TAIL
) -> tuple[Floats, Floats]:
    """Return (N,) lower and upper ends, of the means of N tables with the same families.

    The bootstrap-t (Efron 1981; Hall, Ann. Stat. 16, 1988), with families as what is drawn (Cameron,
    Gelbach and Miller, Rev. Econ. Stat. 90, 2008), and the standard error of a ratio: the sums of
    families over their sizes. In a resample that has next to none, as one of nothing but zeros, it
    counts as a tenth of the table's own. NaN where that is 0, too.

    Args:
        sums: (F, N) of the tasks of each family.
        sizes: (F,) tasks.
        draws: (B, F) as `resample` returns.
        tail: what is left out at each end.
    """
    mean, error = _ratio(np.ones((1, len(sums))), sums, sizes)
    means, errors = _ratio(draws, sums, sizes)
    flat = error <= ROUNDING * np.abs(sums).max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = (means - mean) / np.maximum(errors, NARROWEST * error)
        high, low = np.quantile(studentised, [tail, 1 - tail], axis=0)
    low, high = (np.where(flat, np.nan, mean - error * end)[0] for end in (low, high))
    return np.minimum(low, mean[0]), np.maximum(high, mean[0])


def _ratio(draws: Floats, sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Return (B, N) means over the tasks of drawn families, and their standard errors."""
    count = draws @ sizes[:, None]
    means = draws @ sums / count
    squares = draws @ sums**2 - 2 * means * (draws @ (sums * sizes[:, None]))
    squares += means**2 * (draws @ sizes[:, None] ** 2)
    families = draws.sum(axis=1, keepdims=True)
    errors = np.sqrt(np.maximum(squares, 0) * families / (families - 1)) / count
    return means, errors
