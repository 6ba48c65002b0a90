"""What the intervals and tests of a table of tasks promise, and what they keep: `python -m benchmarks.coverage`.

Tables are simulated in which the truth is known and the tasks of one family are alike: correlated by
0, 0.5 and 0.9. Printed is the worst of the three: the least coverage of intervals that should hold
the mean in 95 %, the largest share of tables for which the table has no interval, and the highest
level of tests that should reject in 5 %, beside what stood in the table before families were respected.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from metaprobe.core.randomness import generator
from metaprobe.tables import families as families_module
from metaprobe.tables.families import (
    family_sums,
    friedman_p,
    mean_intervals,
    resample,
    sign_flip_p,
    signed_ranks,
)
from metaprobe.tables.statistics import fair_binomial, mid_p
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

FAMILIES = {
    "30 in 22: 8 2 1...": [8, 2] + [1] * 20,  # the shipped thirty
    "30 in 22: 5 5 1...": [5, 5] + [1] * 20,
    "15 in 7: 3 3 3 2 2 1 1": [3, 3, 3, 2, 2, 1, 1],
    "15 in 7: 5 5 1...": [5, 5] + [1] * 5,
}
ALIKE = (0.0, 0.5, 0.9)  # correlation of the tasks of a family
TABLES, TESTED, RANKED = (
    2000,
    500,
    300,
)  # per case: of intervals, of two methods, of Friedman's test
RESAMPLES, PERMUTATIONS, CONFIGURATIONS = 1999, 999, 6  # the table's interval has its own number
AT_ONCE = 250  # tables, so that their resamples fit into memory
IMAGES = 200
APART = (0.05, 0.1, 0.2, 0.4)  # of the images only one of two configurations classifies correctly

Draw = Callable[[Floats], Floats]
SHAPES: dict[str, tuple[Draw, float]] = {  # of a normal number → a value of a task; the mean
    "normal": (lambda z: z, 0.0),
    "lognormal": (np.exp, np.exp(0.5)),
    "half 0": (lambda z: np.maximum(z, 0), 1 / np.sqrt(2 * np.pi)),
    "a quarter not 0": (
        lambda z: np.maximum(z - stats.norm.isf(0.25), 0),
        stats.norm.pdf(stats.norm.isf(0.25)) - 0.25 * stats.norm.isf(0.25),
    ),
}
DIFFERENCES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "normal": lambda first, second: first - second,
    "of lognormals": lambda first, second: np.exp(first) - np.exp(second),
    "lopsided": lambda first, second: np.exp(first) - np.exp(0.5),
}


def names(sizes: list[int]) -> list[str]:
    """Return the family of each task."""
    return [str(family) for family in np.repeat(np.arange(len(sizes)), sizes)]


def normal(sizes: list[int], alike: float, tables: int, rng: np.random.Generator) -> Floats:
    """Return (tasks, tables) standard normal numbers, correlated within families."""
    shared = np.repeat(rng.standard_normal((len(sizes), tables)), sizes, axis=0)
    own = rng.standard_normal(shared.shape)
    return np.sqrt(alike) * shared + np.sqrt(1 - alike) * own


def rng_of(name: str) -> np.random.Generator:
    """Return the generator of one line of a table."""
    return generator(0, name, "coverage")


def percentile(sums: Floats, sizes: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """Return the percentile interval, which stood in the table before."""
    low, high = np.quantile(draws @ sums / (draws @ sizes[:, None]), [0.025, 0.975], axis=0)
    return low, high


def student(sums: Floats, sizes: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """Return Student's interval of families, with families - 1 degrees of freedom."""
    mean = sums.sum(axis=0) / sizes.sum()
    families = len(sizes)
    squares = np.square(sums - sizes[:, None] * mean).sum(axis=0)
    half = np.sqrt(squares * families / (families - 1)) / sizes.sum()
    half *= stats.t.ppf(0.975, families - 1)
    return mean - half, mean + half


def accelerated(sums: Floats, sizes: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """Return the BCa interval (Efron, JASA 82, 1987), families left out one by one."""
    means = np.sort(draws @ sums / (draws @ sizes[:, None]), axis=0)
    mean = sums.sum(axis=0) / sizes.sum()
    below = (means < mean).mean(axis=0) + (means == mean).mean(axis=0) / 2
    shift = stats.norm.ppf(np.clip(below, 1 / len(draws), 1 - 1 / len(draws)))
    left = (sums.sum(axis=0) - sums) / (sizes.sum() - sizes)[:, None]
    left = left.mean(axis=0) - left
    squares = np.square(left).sum(axis=0)
    skew = (left**3).sum(axis=0) / (6 * np.where(squares > 0, squares, 1) ** 1.5)
    ends = []
    for end in stats.norm.ppf([0.025, 0.975]):
        share = stats.norm.cdf(shift + (shift + end) / (1 - skew * (shift + end)))
        place = np.clip((share * len(draws)).astype(int), 0, len(draws) - 1)
        ends.append(means[place, np.arange(sums.shape[1])])
    return ends[0], ends[1]


INTERVALS = {
    "percentile": percentile,
    "Student": student,
    "BCa": accelerated,
    "bootstrap-t": lambda sums, sizes, draws: mean_intervals(sums, sizes, draws, 0.025),
    "the table's": mean_intervals,
}


def print_coverage() -> None:
    """Print how often each interval holds the true mean, how wide the used one is, and how often there
    is none.
    """
    print(f"Coverage of the interval of a mean over tasks, {TABLES} tables each")
    heads = "".join(f"{name:>13}" for name in INTERVALS)
    print(f"{'tasks in families':<24}{'values':<16}{heads}{'width':>8}{'none':>8}")
    for (name, sizes), shape in product(FAMILIES.items(), SHAPES):
        found = [
            coverage(sizes, shape, alike, rng_of(f"{name} {shape} {alike}")) for alike in ALIKE
        ]
        held = np.array([one for one, _, _ in found]).min(axis=0)
        wider, without = (max(ones) for ones in list(zip(*found, strict=True))[1:])
        cells = "".join(f"{share:>13.3f}" for share in held)
        print(f"{name:<24}{shape:<16}{cells}{f'× {wider:.1f}':>8}{without:>8.3f}")


def coverage(
    sizes: list[int], shape: str, alike: float, rng: np.random.Generator
) -> tuple[list[float], float, float]:
    """Return the share of the intervals of each kind that hold the mean, of those that there are; the
    width of the table's by the first's; and the share of tables for which the table's has none.
    """
    value, mean = SHAPES[shape]
    sums = family_sums(value(normal(sizes, alike, TABLES, rng)), names(sizes))
    few, many = (
        resample(len(sizes), rng, count) for count in (RESAMPLES, families_module.RESAMPLES)
    )
    ends = [
        in_slices(one, sums, sizes, many if one is mean_intervals else few)
        for one in INTERVALS.values()
    ]
    held = [
        float(np.mean((low <= mean) & (mean <= high), where=np.isfinite(low))) for low, high in ends
    ]
    widths = [float(np.nanmedian(high - low)) for low, high in ends]
    return held, widths[-1] / widths[0], float(np.mean(np.isnan(ends[-1][0])))


def in_slices(
    interval: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]],
    sums: Floats,
    sizes: list[int],
    draws: Floats,
) -> tuple[Floats, Floats]:
    """Return the ends of the intervals of many tables, some of them at a time."""
    weights = np.array(sizes, dtype=np.float64)
    starts = range(0, sums.shape[1], AT_ONCE)
    parts = [interval(sums[:, start : start + AT_ONCE], weights, draws) for start in starts]
    low, high = (np.concatenate(ends) for ends in zip(*parts, strict=True))
    return low, high


TESTS: dict[str, Callable[[Floats, list[str]], float]] = {
    "Wilcoxon": lambda differences, _: stats.wilcoxon(differences).pvalue,
    "flips": sign_flip_p,
    "flipped ranks": lambda differences, own: sign_flip_p(signed_ranks(differences), own),
}


def print_level() -> None:
    """Print how often tests of methods that are alike say that they are not."""
    print(f"\nLevel of tests over tasks at 5 %, {TESTED} tables each")
    heads = "".join(f"{name:>15}" for name in TESTS)
    print(f"{'tasks in families':<24}{'differences':<16}{heads}")
    for (name, sizes), kind in product(FAMILIES.items(), DIFFERENCES):
        levels = []
        for alike in ALIKE:
            rng = rng_of(f"{name} {kind} {alike}")
            pair = (normal(sizes, alike, TESTED, rng) for _ in range(2))
            tables = DIFFERENCES[kind](*pair).T
            p = [[test(table, names(sizes)) for test in TESTS.values()] for table in tables]
            levels.append(np.mean(np.array(p) <= 0.05, axis=0))
        cells = "".join(f"{level:>15.3f}" for level in np.max(levels, axis=0))
        print(f"{name:<24}{kind:<16}{cells}")


def print_friedman() -> None:
    """Print the same of several configurations."""
    print(
        f"\nLevel of Friedman's test of {CONFIGURATIONS} configurations at 5 %, {RANKED} tables each"
    )
    print(f"{'tasks in families':<24}{'as it is':>16}{'by families':>16}")
    for name, sizes in FAMILIES.items():
        levels = []
        for alike in ALIKE:
            rng = rng_of(f"{name} Friedman {alike}")
            drawn = np.stack([normal(sizes, alike, RANKED, rng) for _ in range(CONFIGURATIONS)])
            p = [
                (
                    stats.friedmanchisquare(*table.T).pvalue,
                    friedman_p(table, names(sizes), PERMUTATIONS),
                )
                for table in drawn.transpose(2, 1, 0)
            ]
            levels.append(np.mean(np.array(p) <= 0.05, axis=0))
        cells = "".join(f"{level:>16.3f}" for level in np.max(levels, axis=0))
        print(f"{name:<24}{cells}")


def print_mcnemar() -> None:
    """Print the level of two tests of two configurations on the same images, which is exact."""
    print(f"\nLevel of McNemar's tests at 5 %, {IMAGES} images")
    print(f"{'apart':<10}{'exact test':>12}{'mid-p':>12}")
    levels = np.array([given_apart(count) for count in range(IMAGES + 1)])
    for share in APART:
        chances = stats.binom.pmf(np.arange(IMAGES + 1), IMAGES, share)
        print(f"{share:<10}" + "".join(f"{level:>12.3f}" for level in chances @ levels))


def given_apart(count: int) -> tuple[float, float]:
    """Return the levels of the exact and the mid-p test if `count` images tell the two apart."""
    chances = fair_binomial(count)
    distance = np.abs(2 * np.arange(count + 1) - count)
    exact = np.array([chances[distance >= one].sum() for one in distance])
    middle = np.array([mid_p(np.repeat([1, -1], [one, count - one])) for one in range(count + 1)])
    return float(chances[exact <= 0.05].sum()), float(chances[middle <= 0.05].sum())


if __name__ == "__main__":
    print_coverage()
    print_level()
    print_friedman()
    print_mcnemar()
