"""How far the classes lie apart in the features."""

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("between_class_share", "silhouette")
Features = NDArray[np.float32]
Labels = NDArray[np.int64]


def describe_separability(
    features: Features, labels: Labels, distances: NDArray[np.float32]
) -> dict[str, float]:
    """Return the COLUMNS of features (N, D), their labels (N,) and Euclidean distances (N, N)."""
    return {
        "between_class_share": between_class_share(features, labels),
        "silhouette": silhouette(distances, labels),
    }


def between_class_share(features: Features, labels: Labels) -> float:
    """Return the share of the features' variance that lies between classes, corrected for their number.

    Fisher's ratio of the traces of between- and within-class scatter, bounded: with W the squared
    distances to the class means, T those to the mean of all, K classes with images,
    1 - (W / (N - K)) / (T / (N - 1)), which is Kelley's (1935) epsilon squared. 1: each class is
    one point; about 0: labels say nothing. 0 too where it cannot be told (as many classes as
    images, or all features equal).
    """
    present, members = np.unique(labels, return_inverse=True)
    images, classes = len(labels), len(present)
    precise = features.astype(np.float64)
    total = float(np.square(precise - precise.mean(axis=0)).sum())
    if images == classes or total <= 0:
        return 0.0
    means = class_means(precise, members)
    within = float(np.square(precise - means[members]).sum())
    return 1 - (within / (images - classes)) / (total / (images - 1))


def class_means(features: NDArray[np.float64], members: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean features of each class, (classes, D); `members` are classes from 0, none empty."""
    from scipy.sparse import csr_array

    images = len(members)
    indicator = csr_array((np.ones(images), (members, np.arange(images))))
    return np.asarray(indicator @ features) / np.bincount(members)[:, None]


def silhouette(distances: NDArray[np.float32], labels: Labels) -> float:
    """Return the mean silhouette of the classes (Rousseeuw 1987); an image alone in its class counts as 0."""
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(labels)) < len(labels):
        return 0.0
    return float(silhouette_score(distances, labels, metric="precomputed"))
