"""Metrics beside accuracy and loss: scikit-learn's, or computed by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.training import metrics
from metaprobe.training.metrics import (
    balanced_accuracy,
    expected_calibration_error,
    macro_f1,
    majority_rate,
    probabilities,
    top_accuracy,
)
from sklearn.metrics import balanced_accuracy_score, f1_score, top_k_accuracy_score

Drawn = tuple[np.ndarray, np.ndarray]


@st.composite
def logits_and_labels(draw: st.DrawFn, whole: bool = False) -> Drawn:
    """Logits (N, C) and labels (N,); whole logits have many ties."""
    count, classes = draw(st.integers(1, 40)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    logits = rng.normal(0, draw(st.sampled_from([0.1, 1.0, 10.0, 500.0])), (count, classes))
    labels = rng.integers(classes, size=count) * rng.integers(0, 2, size=count)
    return (np.round(logits) if whole else logits), labels


@settings(deadline=None)
@given(logits_and_labels())
def test_they_are_scikit_learns(drawn: Drawn) -> None:
    """Classes without images counted as recall 0, micro for macro, an F1 of absent classes."""
    logits, labels = drawn
    predicted = logits.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of predicted classes that have no images
        recall = balanced_accuracy_score(labels, predicted)
    assert balanced_accuracy(predicted, labels) == pytest.approx(recall)
    f1 = f1_score(labels, predicted, average="macro", zero_division=0)
    assert macro_f1(predicted, labels) == pytest.approx(f1)


@settings(deadline=None)
@given(logits_and_labels(), st.integers(1, 11))
def test_top_accuracy_is_scikit_learns(drawn: Drawn, top: int) -> None:
    """One place too many or too few; a failure where there are fewer classes than places."""
    logits, labels = drawn
    classes = logits.shape[1]
    found = top_accuracy(logits, labels, top)
    if top >= classes:
        assert found == 1
    elif classes > 2:  # scikit-learn wants the logits of two classes in another shape
        theirs = top_k_accuracy_score(labels, logits, k=top, labels=range(classes))
        assert found == pytest.approx(theirs)


@settings(deadline=None)
@given(logits_and_labels(whole=True))
def test_ties_fall_as_those_of_accuracy(drawn: Drawn) -> None:
    """A constant head that is in the top five of everything, or right where accuracy is not."""
    logits, labels = drawn
    assert top_accuracy(logits, labels, 1) == metrics.accuracy(logits, labels)
    constant = np.zeros_like(logits)
    assert top_accuracy(constant, labels, 5) == np.mean(labels < 5)


def calibration_error_by_loop(confidences: np.ndarray, right: np.ndarray) -> float:
    """Guo et al. 2017, equations 2 and 3, as they are written."""
    total = 0.0
    for m in range(1, 16):
        members = (confidences > (m - 1) / 15) & (confidences <= m / 15)
        if members.any():
            gap = abs(right[members].mean() - confidences[members].mean())
            total += members.sum() / len(right) * gap
    return total


@settings(deadline=None)
@given(logits_and_labels())
def test_calibration_error_is_guos(drawn: Drawn) -> None:
    """Ten bins, bins of equal size, the probability of the label for the confidence."""
    logits, labels = drawn
    confidences = probabilities(logits).max(axis=1)
    expected = calibration_error_by_loop(confidences, logits.argmax(axis=1) == labels)
    assert expected_calibration_error(logits, labels) == pytest.approx(expected)


def test_calibration_error_by_hand() -> None:
    """An error that is squared, signed or not weighted by the images of a bin."""
    logits = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]))
    labels = np.array([0, 1, 1, 1])
    assert expected_calibration_error(logits, labels) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    assert expected_calibration_error(logits, np.array([0, 0, 1, 1])) == pytest.approx(
        (2 * 0.1 + 2 * 0.4) / 4
    )


@settings(deadline=None)
@given(logits_and_labels())
def test_all_are_fractions(drawn: Drawn) -> None:
    """A row of the table beyond its range, as by large logits."""
    logits, labels = drawn
    predicted = logits.argmax(axis=1)
    for value in (
        balanced_accuracy(predicted, labels),
        macro_f1(predicted, labels),
        top_accuracy(logits, labels),
        expected_calibration_error(logits, labels),
        majority_rate(labels),
    ):
        assert 0 <= value <= 1
    assert top_accuracy(logits, labels) >= metrics.accuracy(logits, labels)
    assert majority_rate(labels) >= 1 / logits.shape[1]
