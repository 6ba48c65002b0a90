"""Intervals and tests: the books' numbers, scipy's, and what they promise."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.tables.statistics import Z, difference, fair_binomial, mid_p, wilson
from scipy.stats import binom, binomtest


@settings(deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1))
def test_wilson_is_scipys(images: int, share: float) -> None:
    """The normal interval, a continuity correction, or a bound beyond [0, 1]."""
    right = round(share * images)
    theirs = binomtest(right, images).proportion_ci(method="wilson")
    assert wilson(right / images, images) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_difference_is_bonetts_and_prices() -> None:
    """Another formula; their equation 4 by hand: 20 images right with a only, 8 with b, of 100."""
    differences = np.array([1.0] * 20 + [-1.0] * 8 + [0.0] * 72)
    p12, p21 = 21 / 102, 9 / 102
    half = Z * np.sqrt((p12 + p21 - (p12 - p21) ** 2) / 102)
    expected = p12 - p21 - half, p12 - p21 + half
    assert difference(differences) == pytest.approx(expected)


def test_equal_heads_have_an_interval_and_far_ones_stay_in_range() -> None:
    """A width of 0 where nothing was seen to differ; a difference beyond 1."""
    low, high = difference(np.zeros(1000))
    assert low == -high
    assert 0.002 < high < 0.004
    low, high = difference(np.ones(3))
    assert -1 <= low < high <= 1


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 50))
def test_one_replicate_is_mcnemars_mid_p_test(a_only: int, b_only: int, same: int) -> None:
    """A one-sided p, the middle counted twice, or images counted that do not differ."""
    differences = np.array([1] * a_only + [-1] * b_only + [0] * same)
    p = mid_p(differences)
    apart = a_only + b_only
    exact = binomtest(a_only, apart).pvalue if apart else 1.0
    middle = 0.5 if a_only == b_only else 1.0  # Fagerland et al. (2013), equation 4 and below
    expected = exact - middle * binom.pmf(a_only, apart, 0.5) if apart else 1.0
    assert p == pytest.approx(expected, rel=1e-9)
    assert p == mid_p(-differences)


def test_mid_p_of_the_papers_example() -> None:
    """Another mid-p: airway hyper-responsiveness, 1 against 7 of 21 (their table 1)."""
    assert mid_p(np.array([1] * 1 + [-1] * 7 + [0] * 13)) == pytest.approx(0.0391, abs=5e-5)


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=10).filter(any))
def test_more_replicates_are_all_signs_tried(differences: list[int]) -> None:
    """Sizes mixed up in the distribution of the sum."""
    sizes = np.abs(differences)
    signs = np.array(list(itertools.product((-1, 1), repeat=len(sizes))))
    sums, reach = np.abs(signs @ sizes), abs(sum(differences))
    expected = np.mean(sums > reach) + np.mean(sums == reach) / 2
    assert mid_p(np.array(differences)) == pytest.approx(expected)


def test_large_counts_keep_their_digits() -> None:
    """Overflow of factorials, or a p of 0 that is only small."""
    assert fair_binomial(20_000).sum() == pytest.approx(1, abs=1e-9)
    p = mid_p(np.array([1] * 700 + [-1] * 300))
    expected = binomtest(300, 1000).pvalue - binom.pmf(300, 1000, 0.5)
    assert p == pytest.approx(expected, rel=1e-6)
    assert 0 < p < 1e-30
