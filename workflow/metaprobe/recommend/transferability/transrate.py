"""TransRate: how many more bits the features take than the features within each class."""

import numpy as np

from metaprobe.recommend.transferability.arrays import Floats, Labels, members_of

DISTORTION = 1e-4


def transrate(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the rate of all images less the mean rate of a class (Huang et al., ICML 2022).

    In nats, of centred features, with the distortion 1e-4 of the paper's listing; the classes weigh
    as their images, as in the paper's R(Z, e | Y) and the authors' repository (the listing weighs
    all classes alike). Not what their repository's experiments add: rows of norm 1, a projection, a
    distortion chosen by data set, a division by the rank. `source` is not used.
    """
    counts, members = members_of(labels)
    centred = features - features.mean(axis=0)
    rates = np.array([coding_rate(centred[members == k]) for k in range(len(counts))])
    return coding_rate(centred) - float(counts @ rates) / len(labels)


def coding_rate(features: Floats) -> float:
    """Return log det(identity + features' features / (N e)) / 2, by the smaller Gram matrix."""
    images, width = features.shape
    gram = features.T @ features if images > width else features @ features.T
    eigenvalues = np.maximum(np.linalg.eigvalsh(gram), 0)  # of features of any size, no log of 0
    return float(np.log1p(eigenvalues / (images * DISTORTION)).sum()) / 2
