"""Images that choices are made on: drawn beside a subset, never of its test part."""

from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config.datasets import Entry
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, checksum_matches, read_json, with_checksum
from metaprobe.core.randomness import generator
from metaprobe.data import subset as subsets
from metaprobe.data.dataset import candidates
from metaprobe.data.readers import Dataset
from metaprobe.data.undecodable import broken_images

LARGEST_SHARE = 5  # at most a fifth of the training images is taken


def draw_validation(
    subset: dict[str, Any], entry: Entry, dataset: Dataset, images: int
) -> dict[str, Any]:
    """Draw validation images for a subset, which stays as it is.

    They are drawn as the subset was, from the training images that it has left over. Where these are
    too few, the others are taken out of its training images, a fifth of them at most.

    Args:
        images: as many as are wanted.

    Returns:
        The content of `validation/<task_id>/<images>.json`: `indices` in the pool, `labels`, and in
        `from_training` the places (not the indices) of those training images that are among them.

    Raises:
        UserError: not one image can be had.
    """
    task_id, seed, sampling = subset["task_id"], subset["seed"], subset["sampling"]
    pool_name, available = candidates(task_id, entry, dataset, seed)["train"]
    pool = dataset.pools[pool_name]
    train = np.array(subset["train"]["indices"], np.int64)
    draws = generator(seed, task_id, "validation subset")
    left = np.setdiff1d(available, train)
    drawn = left
    if len(left) > images:
        drawn = subsets.draw(left, pool.labels[left], images, sampling, draws)
    if entry.skip_broken_images:
        drawn = drawn[~np.isin(drawn, [*broken_images(drawn, pool)])]
    lacking = min(images - len(drawn), len(train) // LARGEST_SHARE)
    taken = train[:0]
    if lacking:
        taken = subsets.draw(train, pool.labels[train], lacking, sampling, draws)
    indices = np.sort(np.concatenate([drawn, taken]))
    if not len(indices):
        raise UserError(f"{task_id} has too few training images to take validation images from")
    return with_checksum(
        {
            "task_id": task_id,
            "seed": seed,
            "subset_sha256": subset["sha256"],
            "wanted": images,
            **subsets.describe_split(pool_name, indices, pool.labels, subset["class_names"]),
            "from_training": np.flatnonzero(np.isin(train, taken)).tolist(),
        }
    )


def read_validation(path: str | Path, subset: dict[str, Any]) -> dict[str, Any]:
    """Read what `draw_validation` drew for a subset.

    Raises:
        UserError: the file is missing, is not as it was written, or is of another subset.
    """
    drawn: dict[str, Any] = read_json(path)
    try:
        intact = checksum_matches(drawn)
        same = drawn["subset_sha256"] == subset["sha256"]
        shared = subsets.overlap(drawn, subset["test"])
    except (AttributeError, KeyError, TypeError):
        raise broken(path, "it is no draw of validation images") from None
    if not intact:
        raise broken(path, "its content does not match its digest")
    if not same:
        raise broken(path, "it was drawn for another subset")
    if shared:
        raise broken(path, f"image {min(shared)} is in the test part, too")
    return drawn
