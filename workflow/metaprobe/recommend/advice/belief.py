"""A Gaussian belief about unknown accuracies: what is seen of one changes what is expected of the others."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Quantiles of the normal distribution that stand for it; of 64 the gain is exact to one per cent.
NODES = np.array([NormalDist().inv_cdf((i + 0.5) / 64) for i in range(64)])


@dataclass(frozen=True)
class Belief:
    """A normal distribution of M unknowns.

    Attributes:
        mean: (M,)
        covariance: (M, M)
    """

    mean: Floats
    covariance: Floats

    def observe(self, weights: Floats, value: float, variance: float) -> "Belief":
        """Return the belief after a weighted sum of the unknowns was seen to have a value.

        Args:
            weights: (M,) of the sum.
            variance: of the error with which it was seen.
        """
        shared = self.covariance @ weights
        total = float(weights @ shared) + variance
        if total <= 0:
            return self
        surprise = value - float(weights @ self.mean)
        return Belief(
            self.mean + shared * (surprise / total),
            self.covariance - np.outer(shared, shared) / total,
        )

    def deviation(self, weights: Floats) -> float:
        """Return the standard deviation of a weighted sum of the unknowns."""
        return math.sqrt(max(0.0, float(weights @ self.covariance @ weights)))


def knowledge_gradient(
    belief: Belief, sums: Floats, variances: Floats, options: NDArray[np.int64]
) -> Floats:
    """Return how much better the best choice is expected to be once each sum were seen: (J,), >= 0.

    The knowledge gradient of Frazier, Powell and Dayanik (INFORMS J. Computing 21, 2009), by
    quadrature: the expectation of the highest mean after the observation, less the highest now.

    Args:
        sums: (J, M) weights of what could be seen.
        variances: (J,) of the errors.
        options: which of the unknowns can be chosen.
    """
    shared = sums @ belief.covariance
    total = np.einsum("jm,jm->j", shared, sums) + variances
    # A sum that is known without error can teach nothing.
    scale = np.where(total > 1e-12, 1 / np.sqrt(np.maximum(total, 1e-12)), 0.0)
    moves = shared[:, options] * scale[:, None]
    means = belief.mean[options]
    highest = np.zeros(len(sums))
    for node in NODES:
        highest += (means + moves * node).max(axis=1)
    gains: Floats = np.maximum(0.0, highest / len(NODES) - means.max())
    return gains
