"""How well scores order what they are meant to order: backbones, or configurations, of one task."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def weighted_tau(scores: Floats, accuracy: Floats) -> float:
    """Return Vigna's (WWW 2015) weighted tau in [-1, 1], in which the order among the best counts most.

    scipy's, with hyperbolic weights, averaged over the ranking by either: as the tables of the
    field have it. NaN where all scores or all accuracies (B,) are equal.
    """
    from scipy.stats import weightedtau

    return float(weightedtau(scores, accuracy).statistic)


def kendall(scores: Floats, accuracy: Floats) -> float:
    """Return Kendall's tau-b in [-1, 1]; NaN where all scores or all accuracies (B,) are equal."""
    from scipy.stats import kendalltau

    return float(kendalltau(scores, accuracy).statistic)


def top1_regret(scores: Floats, accuracy: Floats) -> float:
    """Return how far the one with the highest score stays below the highest accuracy, at least 0.

    Of several with the highest score, their mean: one of them is chosen at random.
    """
    return float(accuracy.max() - accuracy[scores == scores.max()].mean())


def rank_fidelity(scores: Floats, accuracy: Floats, differs: NDArray[np.bool_]) -> float:
    """Return the share of the pairs whose accuracies truly differ that the scores put in order.

    Equal scores are half in order. NaN where no pair differs.

    Args:
        scores, accuracy: of the B alternatives, (B,).
        differs: (B, B), symmetric: the accuracies of the two are known to differ.
    """
    first, second = np.nonzero(np.triu(differs, 1))
    if not len(first):
        return float("nan")
    agreement = np.sign(scores[first] - scores[second]) * np.sign(
        accuracy[first] - accuracy[second]
    )
    return float((agreement + 1).mean() / 2)
