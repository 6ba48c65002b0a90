"""Landmarkers: what two of the simplest classifiers reach on the features, by 5-fold validation."""

import numpy as np
from numpy.typing import NDArray

from metaprobe.metafeatures.separability import class_means

COLUMNS = ("nearest_mean_accuracy", "nearest_neighbour_accuracy")
FOLDS = 5
Features = NDArray[np.float32]
Labels = NDArray[np.int64]
Folds = NDArray[np.int64]


def describe_landmarkers(
    features: Features,
    labels: Labels,
    distances: NDArray[np.float32],
    generator: np.random.Generator,
) -> dict[str, float]:
    """Return the accuracies (Pfahringer et al. 2000) on features (N, D); both see the same random folds."""
    folds = generator.permutation(len(labels)) % FOLDS
    return {
        "nearest_mean_accuracy": nearest_mean_accuracy(features, labels, folds),
        "nearest_neighbour_accuracy": nearest_neighbour_accuracy(distances, labels, folds),
    }


def nearest_mean_accuracy(features: Features, labels: Labels, folds: Folds) -> float:
    """Return the accuracy of the nearest class mean (Mensink et al. 2013), Euclidean.

    An image whose class has no other image outside its fold is a mistake, as it is for any
    classifier.
    """
    precise = features.astype(np.float64)
    right = 0
    for test, train in _parts(folds):
        present, members = np.unique(labels[train], return_inverse=True)
        means = class_means(precise[train], members)
        scores = precise[test] @ means.T - np.square(means).sum(axis=1) / 2
        right += int((present[scores.argmax(axis=1)] == labels[test]).sum())
    return right / len(labels)


def nearest_neighbour_accuracy(
    distances: NDArray[np.float32], labels: Labels, folds: Folds
) -> float:
    """Return the accuracy of one nearest neighbour outside the own fold (Bensusan and Giraud-Carrier 2000)."""
    right = 0
    for test, train in _parts(folds):
        nearest = train[distances[np.ix_(test, train)].argmin(axis=1)]
        right += int((labels[nearest] == labels[test]).sum())
    return right / len(labels)


def _parts(folds: Folds) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return test and training positions of each fold that has both."""
    if len(folds) < 2:
        return []
    return [
        (np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)) for fold in np.unique(folds)
    ]
