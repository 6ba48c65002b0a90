"""Tests and intervals over families: order, signs, brute force, and what they promise."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.tables import families as families_module
from metaprobe.tables.families import (
    FEWEST_FAMILIES,
    family_sums,
    fewest_families,
    friedman_p,
    mean_interval,
    sign_flip_p,
    signed_ranks,
)
from metaprobe.tables.statistics import holm
from scipy.stats import friedmanchisquare, wilcoxon

from benchmarks import coverage

Table = tuple[list[float], list[str]]
VALUES = st.one_of(st.integers(-5, 5).map(float), st.floats(-10, 10).map(lambda x: round(x, 3)))


@st.composite
def tables(draw: st.DrawFn, least: int = 1, most: int = 12) -> Table:
    """Values of tasks, and the family of each."""
    values = draw(st.lists(VALUES, min_size=least, max_size=most))
    names = draw(
        st.lists(st.sampled_from("abcdefghij"), min_size=len(values), max_size=len(values))
    )
    return values, names


def brute_force(values: list[float], names: list[str]) -> float:
    """The share of all flips of families whose sum is at least as far from 0."""
    sums = [sum(v for v, n in zip(values, names, strict=True) if n == name) for name in {*names}]
    reach = abs(sum(sums)) - 1e-9
    signs = np.array(list(itertools.product((-1, 1), repeat=len(sums))))
    return float(np.mean(np.abs(signs @ np.array(sums)) >= reach))


@settings(deadline=None)
@given(tables())
def test_sign_flips_are_all_tried(table: Table) -> None:
    """Two halves put together wrongly, a one-sided p, or families flipped task by task."""
    values, names = table
    assert sign_flip_p(np.array(values), names) == pytest.approx(brute_force(values, names))


@settings(deadline=None)
@given(tables(least=2), st.randoms())
def test_neither_order_nor_sign_of_all_matters(table: Table, random) -> None:
    """A p that depends on how the data sets are declared, or on which method is named first."""
    values, names = table
    order = [*range(len(values))]
    random.shuffle(order)
    p = sign_flip_p(np.array(values), names)
    shuffled = np.array(values)[order], [names[i] for i in order]
    assert sign_flip_p(*shuffled) == pytest.approx(p)
    assert sign_flip_p(-np.array(values), names) == pytest.approx(p)
    matrix = np.stack([np.array(values), np.sort(values), np.zeros(len(values))], axis=1)
    assert friedman_p(matrix[order], shuffled[1]) == friedman_p(matrix, names)


@settings(deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=10))
def test_tasks_without_relatives_are_the_ordinary_tests(values: list[int]) -> None:
    """Another test than Fisher's and Wilcoxon's where there are no families to respect."""
    names = [str(number) for number in range(len(values))]
    alone = np.array(values, dtype=float)
    signs = np.array(list(itertools.product((-1, 1), repeat=len(values))))
    expected = np.mean(np.abs(signs @ np.abs(alone)) >= abs(alone.sum()) - 1e-9)
    assert sign_flip_p(alone, names) == pytest.approx(expected)
    if len({abs(v) for v in values if v}) == sum(v != 0 for v in values) > 0:  # no ties
        theirs = wilcoxon(alone[alone != 0], method="exact").pvalue
        assert sign_flip_p(signed_ranks(alone), names) == pytest.approx(theirs)


def test_many_families_are_drawn_from() -> None:
    """2^40 sums kept in memory; a p of 0; another p with each call."""
    rng = np.random.default_rng(0)
    names = [str(number) for number in range(families_module.EXACT + 8)]
    differences = rng.normal(0.3, 1, len(names))
    p = sign_flip_p(differences, names)
    assert p == sign_flip_p(differences, names)
    exact = sign_flip_p(differences[: families_module.EXACT], names[: families_module.EXACT])
    assert 0 < p < 1
    assert 0 < exact < 1
    assert sign_flip_p(np.ones(len(names)), names) == pytest.approx(1e-4)


def test_drawn_and_counted_flips_agree(monkeypatch) -> None:
    """A draw that is no sample of what is counted."""
    rng = np.random.default_rng(0)
    names = [str(number % 15) for number in range(20)]
    for shift in (0.0, 0.3, 0.6):
        differences = rng.normal(shift, 1, 20)
        exact = sign_flip_p(differences, names)
        with monkeypatch.context() as patch:
            patch.setattr(families_module, "EXACT", 5)
            assert sign_flip_p(differences, names) == pytest.approx(exact, abs=0.015)


def test_nothing_differs() -> None:
    """A difference found where there is none."""
    assert sign_flip_p(np.zeros(7), list("abcdefg")) == 1
    assert friedman_p(np.ones((7, 3)), list("abcdefg")) == 1
    assert signed_ranks(np.zeros(3)).tolist() == [0, 0, 0]


def test_friedman_is_friedmans_where_tasks_have_no_relatives() -> None:
    """Another statistic, or ranks turned."""
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.4, 0.8):
        values = rng.normal(size=(30, 4)) + shift * np.arange(4)
        p = friedman_p(values, [str(number) for number in range(30)])
        assert p == pytest.approx(friedmanchisquare(*values.T).pvalue, abs=0.015)


def test_friedman_permutes_families_jointly() -> None:
    """Copies of one task that count as new evidence."""
    rng = np.random.default_rng(3)
    once = rng.normal(size=(8, 4)) + 0.3 * np.arange(4)
    names = [str(number) for number in range(8)]
    copies = friedman_p(np.repeat(once, 5, axis=0), np.repeat(names, 5).tolist())
    assert copies == friedman_p(once, names)


def test_fewest_families() -> None:
    """A verdict from so few families that no data could have led to it."""
    assert fewest_families() == FEWEST_FAMILIES == 6
    for comparisons in (1, 3, 15, 1128):
        enough = fewest_families(comparisons)
        for count, possible in ((enough, True), (enough - 1, False)):
            p = sign_flip_p(np.ones(count), [str(number) for number in range(count)])
            smallest = max(holm({0: p} | dict.fromkeys(range(1, comparisons), 1.0))[0], p)
            assert (smallest < 0.05) == possible


@settings(deadline=None, max_examples=50)
@given(tables(least=8, most=30))
def test_interval_contains_the_mean(table: Table) -> None:
    """An interval of something else, or one with its ends exchanged."""
    values, names = table
    found = mean_interval(np.array(values), names, np.random.default_rng(0))
    if len(set(names)) < FEWEST_FAMILIES:
        assert found is None
    if found is not None:
        low, high = found
        assert np.isfinite([low, high]).all()
        assert low <= np.mean(values) <= high
        order = np.random.default_rng(1).permutation(len(values))
        shuffled = np.array(values)[order], [names[i] for i in order]
        assert mean_interval(*shuffled, np.random.default_rng(0)) == pytest.approx(found)


def test_interval_on_known_answers() -> None:
    """Tasks resampled instead of families; a width of 0 from tasks that are all alike."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    alone = [str(number) for number in range(400)]
    low, high = mean_interval(values, alone, rng) or (0, 0)
    assert (high - low) / 2 == pytest.approx(
        2.43 * values.std() / 20, rel=0.05
    )  # 98.5 % of a normal
    together = np.repeat(np.arange(40), 10).astype(str).tolist()
    copies = np.repeat(values[:40], 10)
    wide = mean_interval(copies, together, np.random.default_rng(0))
    assert wide == pytest.approx(mean_interval(values[:40], alone[:40], np.random.default_rng(0)))
    assert mean_interval(np.full(30, 0.1), alone[:30], rng) is None


def test_sums_are_of_families() -> None:
    """Rows added across families, or the columns of a matrix."""
    values = np.array([[1.0, 10], [2, 20], [4, 40]])
    assert family_sums(values, ["b", "a", "b"]).tolist() == [[2, 20], [5, 50]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    """The smallest p there is, for a difference that nobody knows."""
    values = np.array([0.1, bad, 0.3, 0.2, 0.5, 0.6, 0.7])
    names = list("abcdefg")
    for asked in (sign_flip_p, lambda *table: mean_interval(*table, np.random.default_rng(0))):
        with pytest.raises(ValueError, match="must be finite numbers"):
            asked(values, names)


def test_coverage_is_of_intervals_that_there_are(monkeypatch) -> None:
    """Tables for which none is printed, counted as intervals that miss the mean."""
    monkeypatch.setattr(coverage, "TABLES", 300)
    monkeypatch.setattr(families_module, "RESAMPLES", 499)
    sizes = [5, 5, 1, 1, 1, 1, 1]
    held, _, without = coverage.coverage(sizes, "a quarter not 0", 0.9, np.random.default_rng(0))
    assert 0.03 < without < 0.2
    assert held[-1] > 0.9 > held[-1] * (1 - without)


@pytest.mark.parametrize("sizes", [[8, 2] + [1] * 20, [3, 3, 3, 2, 2, 1, 1]])
def test_promises_are_kept(monkeypatch, sizes: list[int]) -> None:
    """A percentile interval of skewed regrets, a test that takes relatives for strangers."""
    monkeypatch.setattr(coverage, "TABLES", 500)
    rng = np.random.default_rng(0)
    held, *_ = coverage.coverage(sizes, "lognormal", 0.9, rng)
    by_method = dict(zip(coverage.INTERVALS, held, strict=True))
    assert by_method["percentile"] < 0.88
    assert by_method["the table's"] > 0.92
    first, second = (coverage.normal(sizes, 0.9, 500, rng) for _ in range(2))
    names = coverage.names(sizes)
    p_values = [sign_flip_p(differences, names) for differences in (first - second).T]
    assert np.mean(np.array(p_values) <= 0.05) < 0.08
