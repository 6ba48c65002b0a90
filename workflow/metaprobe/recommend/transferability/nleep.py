"""N-LEEP: LEEP with the components of a Gaussian mixture of the features as source classes."""

import numpy as np

from metaprobe.recommend.transferability.arrays import (
    Floats,
    Labels,
    members_of,
    principal_components,
)
from metaprobe.recommend.transferability.gaussian_mixture import posteriors
from metaprobe.recommend.transferability.leep import log_expected_prediction

ENERGY = 0.8
COMPONENTS_A_CLASS = 5
SEED = 123  # of google-research's stable_transfer, so that its numbers can be compared


def nleep(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return N-LEEP (Li et al., CVPR 2021), at most 0.

    The principal components that hold 80 % of the variance, a mixture of five Gaussians a class
    (at most one an image) with full covariances, and LEEP of its posteriors, with the logarithm:
    as google-research's stable_transfer does it; TencentARC/SFDA leaves the logarithm out.
    `source` is not used.
    """
    counts, members = members_of(labels)
    components = min(COMPONENTS_A_CLASS * len(counts), len(labels))
    return log_expected_prediction(posteriors(_reduced(features), components, SEED), members)


def _reduced(features: Floats) -> Floats:
    """Return the scores of as many principal components as hold ENERGY of the variance, at least one."""
    variances, scores = principal_components(features)
    total = variances.sum()
    if total <= 0:
        return scores[:, :1]
    kept = np.searchsorted(np.cumsum(variances / total), ENERGY, side="right") + 1
    return np.ascontiguousarray(scores[:, :kept])  # in memory as a whole: half the time of EM
