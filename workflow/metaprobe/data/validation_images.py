"""Images that choices are made on: drawn beside a subset, never of its test part."""

from typing import Any

import numpy as np

from metaprobe.config.datasets import (Entry)
from metaprobe.core.errors import UserError
from metaprobe.core.files import (with_checksum)
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
