"""GBC: how much the classes overlap, each taken as a spherical Gaussian."""

import numpy as np

from metaprobe.metafeatures.separability import class_means
from metaprobe.recommend.transferability.arrays import (
    Floats,
    Labels,
    members_of,
    principal_components,
)

WIDTH = 64  # the authors' setting for the choice of a backbone, with spherical Gaussians
LEAST_VARIANCE = 1e-4


def gbc(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the Gaussian Bhattacharyya Coefficient (Pándy et al., CVPR 2022), at most 0.

    Minus the sum over the ordered pairs of classes of exp(-distance), on 64 principal components.
    As in the authors' code, the term of the variances counts once, where the determinants of
    the Bhattacharyya distance would count it once per dimension. `source` is not used.
    """
    counts, members = members_of(labels)
    scores = principal_components(features)[1][:, :WIDTH]
    means = class_means(scores, members)
    spread = class_means(np.square(scores - means[members]), members)
    variances = np.maximum(spread, LEAST_VARIANCE).mean(axis=1)
    overlap = np.exp(-_bhattacharyya_distances(means, variances))
    return float(len(counts) - overlap.sum())  # each class overlaps wholly with itself


def _bhattacharyya_distances(means: Floats, variances: Floats) -> Floats:
    """Return the distances (K, K) of spherical Gaussians with means (K, d) and variances (K,)."""
    from scipy.spatial.distance import cdist

    both = (variances[:, None] + variances) / 2
    logs = np.log(variances)
    apart: Floats = cdist(means, means, "sqeuclidean") / both / 8
    return apart + (np.log(both) - (logs[:, None] + logs) / 2) / 2
