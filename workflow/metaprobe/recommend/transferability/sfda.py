"""SFDA: a linear discriminant's confidence in the labels, after the hard images were made harder."""

import math

import numpy as np

from metaprobe.metafeatures.separability import class_means
from metaprobe.recommend.transferability.arrays import (
    Floats,
    Labels,
    Members,
    members_of,
    solve_covariance,
)

LEAST_SHRINKAGE = 1e-10
ROUNDS = 3  # of the authors' power iteration, two products each


def sfda(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return Self-challenging Fisher Discriminant Analysis (Shao et al., ECCV 2022), between 0 and 1.

    A regularised discriminant gives each image a confidence; the image is moved towards the mean of
    the other classes by what is missing to it, and a second discriminant is fitted.
    The score is its mean probability of the own class (without its logarithm, as in the
    authors' code). The whole Fisher space is kept, in which their eigenvectors times their transpose
    are the inverse of the within-class scatter. The shrinkage of that scatter falls as
    exp(-5 times its largest eigenvalue): where features vary much and images are few, nothing is
    left of it, and the score is 1 for every backbone (TencentARC/SFDA issue 5). `source` is not used.
    """
    from scipy.special import softmax

    members = members_of(labels)[1]
    within = _within(features, members)
    shrinkage = max(math.exp(-5 * _largest_eigenvalue(within)), LEAST_SHRINKAGE)
    first = posteriors(features, members, _shrunk(within, shrinkage))
    trust = softmax(first, axis=1)[np.arange(len(members)), members][:, None]
    means = class_means(features, members)
    others = (means.sum(axis=0) - means) / max(len(means) - 1, 1)
    mixed = trust * features + (1 - trust) * others[members]
    second = posteriors(mixed, members, _shrunk(_within(mixed, members), shrinkage))
    return float(second[np.arange(len(members)), members].mean())


def posteriors(features: Floats, members: Members, within: Floats | None) -> Floats:
    """Return P(class | image), (N, K), of Gaussians with one covariance; None is the identity."""
    from scipy.special import softmax

    means = class_means(features, members)
    directions = means.T if within is None else solve_covariance(within, means.T)
    offsets = np.einsum("kd,dk->k", means, directions) / 2
    priors = np.bincount(members) / len(members)
    found: Floats = softmax(features @ directions - offsets + np.log(priors), axis=1)
    return found


def _within(features: Floats, members: Members) -> Floats:
    """Return the within-class scatter per image, (D, D)."""
    residuals = features - class_means(features, members)[members]
    scatter: Floats = residuals.T @ residuals / len(members)
    return scatter


def _shrunk(scatter: Floats, shrinkage: float) -> Floats:
    """Return the scatter moved towards a multiple of the identity with the same trace."""
    width = len(scatter)
    target = shrinkage * np.trace(scatter) / width
    shrunk: Floats = (1 - shrinkage) * scatter + target * np.eye(width)
    return shrunk


def _largest_eigenvalue(scatter: Floats) -> float:
    """Return the authors' estimate of it, by a few power iterations from the rows' sums."""
    vector, length = scatter.sum(axis=1), 0.0
    for _ in range(2 * ROUNDS):
        vector = scatter @ vector
        length = float(np.linalg.norm(vector))
        if length == 0:
            return 0.0
        vector = vector / length
    return length
