"""Random draws: named by (seed, data set, purpose), and by nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from metaprobe.core.randomness import derive_seed, generator

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)
TRIPLES = st.tuples(st.integers(0, 2**40), NAMES, NAMES)


@given(TRIPLES, TRIPLES)
def test_seeds_differ_as_their_names_do(one: tuple[int, str, str], other: tuple[int, str, str]):
    """An argument that is ignored, or names glued together so that a+bc is ab+c."""
    assert (derive_seed(*one) == derive_seed(*other)) == (one == other)
    seed, dataset, purpose = one
    if dataset != purpose:
        assert derive_seed(seed, dataset, purpose) != derive_seed(seed, purpose, dataset)


@given(TRIPLES)
def test_seeds_fit_every_library(triple: tuple[int, str, str]) -> None:
    """A seed that torch's signed 64 bits or NumPy's unsigned ones refuse."""
    assert 0 <= derive_seed(*triple) < 2**63


def test_seeds_are_the_same_on_every_machine() -> None:
    """Python's `hash`, which differs by process, or a change that gives every user new subsets."""
    assert derive_seed(0, "MNIST", "train subset") == 8784555594877958005
    assert derive_seed(1, "STL10_Unlabeled", "split") == 1761584686425141953


def test_generators_do_not_share_state() -> None:
    """A draw that depends on the draws before it."""
    expected = generator(0, "MNIST", "split").integers(1000, size=20)
    np.random.seed(1)
    generator(0, "USPS", "split").random(100)
    np.testing.assert_array_equal(generator(0, "MNIST", "split").integers(1000, size=20), expected)
    other = generator(0, "MNIST", "train subset").integers(1000, size=20)
    assert (other != expected).any()
