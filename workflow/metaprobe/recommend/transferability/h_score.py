"""H-score: the share of the features' variance, whitened, that lies between the classes."""

import numpy as np

from metaprobe.metafeatures.separability import class_means
from metaprobe.recommend.transferability.arrays import (
    NOT_DEFINED,
    Floats,
    Labels,
    members_of,
    solve_covariance,
)


def h_score(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the shrunk H-score (Ibrahim et al., arXiv 2110.06893), at least 0 and at most K - 1.

    trace of inverse(S) (1 - a) cov(class means), with S the covariance of the features shrunk by
    Ledoit and Wolf's a, which keeps it a measure where there are more features than images.
    NaN for fewer than two images. `source` is not used.
    """
    from sklearn.covariance import ledoit_wolf

    if len(labels) < 2:
        return NOT_DEFINED
    covariance, shrinkage = ledoit_wolf(features - features.mean(axis=0))
    return (1 - float(shrinkage)) * _between(features, labels, covariance)


def plain_h_score(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the H-score as first published (Bao et al., ICIP 2019); no part of METRICS.

    Of independent images no more than features it is K - 1 whatever the features say.
    """
    if len(labels) < 2:
        return NOT_DEFINED
    return _between(features, labels, np.atleast_2d(np.cov(features, rowvar=False)))


def _between(features: Floats, labels: Labels, covariance: Floats) -> float:
    """Return trace of inverse(covariance) @ covariance of the class means, each counted per image."""
    counts, members = members_of(labels)
    means = class_means(features - features.mean(axis=0), members)
    weighted = np.sqrt(counts)[:, None] * means
    solved = solve_covariance(covariance, weighted.T)
    return float(np.einsum("kd,dk->", weighted, solved)) / (len(labels) - 1)
