"""k-NN: how often the nearest other image has the same class."""

import numpy as np

from metaprobe.recommend.transferability.arrays import NOT_DEFINED, Floats, Labels

ROWS = 1000  # compared at a time, so that 5,000 images take 40 MB instead of 200


def k_nn(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the leave-one-out accuracy of one nearest neighbour, Euclidean, between 0 and 1.

    The "1-NN CV" of Bolya et al. (NeurIPS 2021). NaN for a single image. `source` is
    not used.
    """
    if len(labels) < 2:
        return NOT_DEFINED
    squares = np.square(features).sum(axis=1)
    right = 0
    for start in range(0, len(labels), ROWS):
        rows = np.arange(start, min(start + ROWS, len(labels)))
        distances = squares - 2 * (features[rows] @ features.T)
        distances[np.arange(len(rows)), rows] = np.inf
        right += int((labels[distances.argmin(axis=1)] == labels[rows]).sum())
    return right / len(labels)
