"""What the metrics share: classes that have images, principal components, inverses of covariances."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Members = NDArray[np.intp]
NOT_DEFINED = float("nan")


def members_of(labels: Labels) -> tuple[NDArray[np.int64], Members]:
    """Return the number of images of each class that has any, (K,), and each image's such class, (N,)."""
    _, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return counts, members


def principal_components(features: Floats) -> tuple[Floats, Floats]:
    """Return the min(N, D) variances (N - 1 degrees, largest first) and the images' scores, (N, min(N, D)).

    From the smaller of the two Gram matrices, in a fraction of the time of a singular value
    decomposition; the signs of the components are arbitrary.
    """
    centred = features - features.mean(axis=0)
    tall = len(centred) > centred.shape[1]
    gram = centred.T @ centred if tall else centred @ centred.T
    eigenvalues, vectors = np.linalg.eigh(gram)
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0), vectors[:, ::-1]
    scores = centred @ vectors if tall else vectors * np.sqrt(eigenvalues)
    return eigenvalues / max(len(centred) - 1, 1), scores


def solve_covariance(covariance: Floats, right: Floats) -> Floats:
    """Return inverse(covariance) @ right, by the pseudo-inverse where the covariance is singular."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve, pinvh

    try:
        solved: Floats = cho_solve(cho_factor(covariance), right)
    except LinAlgError:
        solved = pinvh(covariance) @ right
    return solved
