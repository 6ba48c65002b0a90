"""What can be counted before any picture is opened: classes, images, their balance."""

import math

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("log10_classes", "log10_images", "log10_images_per_class", "class_entropy")


def describe_counts(
    labels: NDArray[np.int64], class_count: int, pool_images: int
) -> dict[str, float]:
    """Return simple meta-features (Michie et al. 1994, STATLOG; Feurer et al. 2015).

    Args:
        labels: (N,) classes of the images used.
        class_count: classes of the data set, with or without an image among those used.
        pool_images: images that N were drawn from.
    """
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    return {
        "log10_classes": math.log10(class_count),
        "log10_images": math.log10(pool_images),
        "log10_images_per_class": math.log10(len(labels) / len(counts)),
        "class_entropy": normalised_entropy(counts, class_count),
    }


def normalised_entropy(counts: NDArray[np.int64], class_count: int) -> float:
    """Return the entropy of the class shares over that of `class_count` equal classes; 0 for one class."""
    if class_count < 2:
        return 0.0
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum() / math.log(class_count))
