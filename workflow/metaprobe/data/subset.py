"""Which images an experiment sees: drawing a data set's training and test subset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.files import (broken, checksum_matches, read_json)

Integers = NDArray[np.int64]


def draw(
    candidates: Integers, labels: Integers, size: int, method: str, generator: np.random.Generator
) -> Integers:
    """Draw up to `size` of the candidate indices without replacement, sorted.

    Args:
        candidates: (N,) distinct indices to draw from.
        labels: (N,) the candidates' classes.
        method: `random`, or `stratified`: proportional to the classes, see `allocate`.
    """
    size = min(size, len(candidates))
    if method == "random":
        return np.sort(generator.choice(candidates, size, replace=False))
    classes, counts = np.unique(labels, return_counts=True)
    chosen = [
        generator.choice(candidates[labels == label], share, replace=False)
        for label, share in zip(classes, allocate(counts, size), strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def allocate(counts: Integers, size: int) -> Integers:
    """Share `size` places among classes of `counts` images: largest remainders, at least one each.

    Every class gets a place while there are as many places as classes; no class gets more places
    than it has images. Ties go to the first class.
    """
    total = int(counts.sum())
    if size >= total:
        return counts.copy()
    shares, remainders = np.divmod(counts * size, total)
    largest_first = np.argsort(-remainders, kind="stable")
    shares[largest_first[: size - int(shares.sum())]] += 1
    if size >= len(counts):
        for empty in np.flatnonzero(shares == 0):
            excess = np.where(shares > 1, shares * total - counts * size, np.iinfo(np.int64).min)
            shares[np.argmax(excess)] -= 1
            shares[empty] = 1
    return shares


def split_pool(
    labels: Integers, rule: str, test_fraction: float, generator: np.random.Generator
) -> tuple[Integers, Integers]:
    """Divide one pool of N images into training and test candidates, both sorted.

    Args:
        labels: (N,) classes.
        rule: `random`, or `stratified` (each class divided in the same proportion, to the
            nearest image, with at least one training image).
    """
    if rule == "random":
        test_size = round(test_fraction * len(labels))
        test = np.sort(generator.choice(len(labels), test_size, replace=False))
    else:
        members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        sizes = [min(round(test_fraction * len(m)), len(m) - 1) for m in members]
        drawn = [
            generator.choice(m, size, replace=False) for m, size in zip(members, sizes, strict=True)
        ]
        test = np.sort(np.concatenate(drawn))
    return np.setdiff1d(np.arange(len(labels)), test), test


def describe_split(
    pool: str, indices: Integers, pool_labels: Integers, class_names: Sequence[str]
) -> dict[str, Any]:
    """Return one split of a subset as it stands in the JSON."""
    labels = pool_labels[indices]
    numbers = np.bincount(labels, minlength=len(class_names)).tolist()
    counts = dict(zip(class_names, numbers, strict=True))
    return {
        "pool": pool,
        "images": len(indices),
        "counts_per_class": counts,
        "classes_without_images": [name for name, count in counts.items() if not count],
        "indices": indices.tolist(),
        "labels": labels.tolist(),
    }


def read_subset(path: str | Path) -> dict[str, Any]:
    """Read a subset and prove it sound.

    Raises:
        UserError: the file is missing, is not as it was written, or its parts overlap.
    """
    subset: dict[str, Any] = read_json(path)
    try:
        intact = checksum_matches(subset)
        shared = overlap(subset["train"], subset["test"])
    except (AttributeError, KeyError, TypeError):
        raise broken(path, "it is not a subset") from None
    if not intact:
        raise broken(path, "its content does not match its digest")
    if shared:
        raise broken(path, f"image {min(shared)} is in both training and test part")
    return subset


def read_validation(path: str | Path, subset: dict[str, Any]) -> dict[str, Any]:
    """Read what `draw_validation` drew for a subset.

    Raises:
        UserError: the file is missing, is not as it was written, or is of another subset.
    """
    drawn: dict[str, Any] = read_json(path)
    try:
        intact = checksum_matches(drawn)
        same = drawn["subset_sha256"] == subset["sha256"]
        shared = overlap(drawn, subset["test"])
    except (AttributeError, KeyError, TypeError):
        raise broken(path, "it is no draw of validation images") from None
    if not intact:
        raise broken(path, "its content does not match its digest")
    if not same:
        raise broken(path, "it was drawn for another subset")
    if shared:
        raise broken(path, f"image {min(shared)} is in the test part, too")
    return drawn


def overlap(train: dict[str, Any], test: dict[str, Any]) -> set[int]:
    """Return indices of images that are in both parts; parts of different pools share none."""
    if train["pool"] != test["pool"]:
        return set()
    return set(train["indices"]) & set(test["indices"])
