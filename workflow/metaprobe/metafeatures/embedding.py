"""The cloud of a data set's features: moments, effective and intrinsic dimension."""

import math
import warnings

import numpy as np
from numpy.typing import NDArray

COLUMNS = (
    "embedding_mean",
    "embedding_std",
    "embedding_skewness",
    "effective_rank",
    "intrinsic_dimension",
)
KEPT_OF_TWO_NN = 0.9
Features = NDArray[np.float32]
Distances = NDArray[np.float32]


def describe_embedding(features: Features, distances: Distances) -> dict[str, float]:
    """Return the shape of the cloud of features (N, D), whose Euclidean distances are (N, N)."""
    deviations = features.std(axis=0, dtype=np.float64)
    return {
        "embedding_mean": float(features.mean(dtype=np.float64)),
        "embedding_std": float(deviations.mean()),
        "embedding_skewness": mean_skewness(features),
        "effective_rank": effective_rank(features),
        "intrinsic_dimension": intrinsic_dimension(features, distances),
    }


def mean_skewness(features: Features) -> float:
    """Return the mean over the dimensions of `scipy.stats.skew`; a constant dimension counts as 0."""
    from scipy.stats import skew

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # constant dimensions
        skewness = skew(features.astype(np.float64), axis=0)
    return float(np.nan_to_num(skewness).mean())


def effective_rank(features: Features) -> float:
    """Return the exponential of the entropy of the normalised singular values (Roy and Vetterli 2007).

    Of the centred features; 0 if all are equal.
    """
    centred = features - features.mean(axis=0, dtype=np.float64)
    gram = centred.T @ centred if len(centred) > centred.shape[1] else centred @ centred.T
    eigenvalues = np.linalg.eigvalsh(gram)
    floor = eigenvalues[-1] * len(gram) * np.finfo(np.float64).eps
    singular = np.sqrt(eigenvalues[eigenvalues > max(floor, 0)])
    if not len(singular):
        return 0.0
    shares = singular / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def intrinsic_dimension(features: Features, distances: Distances) -> float:
    """Return Two-NN estimate of the dimension (Facco et al. 2017), at most the features' own.

    The slope of -log(1 - F) over log(r2 / r1) through the origin, without the largest tenth of the
    ratios. Equal features count once, as their distance of 0 says nothing of the dimension; 0 if
    fewer than three differ.
    """
    _, distinct = np.unique(features, axis=0, return_index=True)
    if len(distinct) < 3:
        return 0.0
    if len(distinct) < len(features):
        distances = distances[np.ix_(distinct, distinct)]
    neighbours = np.sort(np.partition(distances, 2, axis=1)[:, :3], axis=1).astype(np.float64)
    _, nearest, second = np.maximum(neighbours, np.finfo(np.float32).tiny).T
    ratios = np.sort(np.log(second / nearest))
    kept = ratios[: math.floor(KEPT_OF_TWO_NN * len(ratios))]
    rest = -np.log1p(-np.arange(1, len(kept) + 1) / len(ratios))
    square = float(kept @ kept)
    width = features.shape[1]
    return min(float(kept @ rest) / square, float(width)) if square > 0 else float(width)
