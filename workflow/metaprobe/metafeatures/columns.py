"""Meta-features of a data set: the columns of basic_representations.csv, one module per group.

All are of the training subset alone. docs/basic_representations.md has each column's formula.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metaprobe.metafeatures import (
    backbone_shift,
    counts,
    embedding,
    image_statistics,
    landmarkers,
    logme,
    separability,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measurements:
    """All that a description is computed from.

    Attributes:
        labels: (N,) classes of the training subset.
        class_count: classes of the data set.
        pool_images: images of the pool that the N were drawn from.
        positions: (P,) which of the N the statistics of pictures are of.
        pictures: statistic → (P,).
        features: architecture → (N, D); those of the first are the *embedding*.
        expected: architecture → expected mean and standard deviation (D,), of those that
            `features.batchnorm` knows.
    """

    labels: NDArray[np.int64]
    class_count: int
    pool_images: int
    positions: NDArray[np.int64]
    pictures: dict[str, Floats]
    features: dict[str, NDArray[np.float32]]
    expected: dict[str, tuple[Floats, Floats]]


def columns(described_by: Sequence[str], expecting: Sequence[str]) -> list[str]:
    """Return names of the columns, in order.

    Args:
        described_by: the backbones whose features describe a data set.
        expecting: those of them of which `features.batchnorm` knows what to expect.
    """
    groups = (counts, image_statistics, embedding, separability, landmarkers)
    shifts = [f"batchnorm_shift_{name}" for name in expecting]
    return [
        *(column for group in groups for column in group.COLUMNS),
        *shifts,
        *(f"LogME_{name}" for name in described_by),
    ]


def describe(measured: Measurements, generator: np.random.Generator) -> dict[str, float]:
    """Return the value of each column; always finite.

    Args:
        generator: draws the folds of the landmarkers.
    """
    from sklearn.metrics import pairwise_distances

    labels = measured.labels
    cloud = next(iter(measured.features.values()))
    distances = pairwise_distances(cloud)
    values = counts.describe_counts(labels, measured.class_count, measured.pool_images)
    values |= image_statistics.describe_pictures(measured.pictures)
    values |= embedding.describe_embedding(cloud, distances)
    values |= separability.describe_separability(cloud, labels, distances)
    values |= landmarkers.describe_landmarkers(cloud, labels, distances, generator)
    del distances
    for name, expected in measured.expected.items():
        shift = backbone_shift.batchnorm_shift(measured.features[name], *expected)
        values[f"batchnorm_shift_{name}"] = shift
    for name, features in measured.features.items():
        values[f"LogME_{name}"] = logme.logme(features, labels)
    return values


def select(measured: Measurements, chosen: NDArray[np.int64]) -> Measurements:
    """Return the measurements of some of the N images, each once."""
    there = np.isin(measured.positions, chosen)
    return replace(
        measured,
        labels=measured.labels[chosen],
        positions=np.searchsorted(chosen, measured.positions[there]),
        pictures={name: values[there] for name, values in measured.pictures.items()},
        features={name: features[chosen] for name, features in measured.features.items()},
    )
