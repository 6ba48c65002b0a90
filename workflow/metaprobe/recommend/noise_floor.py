"""The noise floor of a task: what choosing loses when nothing but luck stands between two samples."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.randomness import generator
from metaprobe.recommend.meta_table import Floats
from metaprobe.tables.predictions import right_by_task

SPLITS = 50


def noise_floors(predictions_path: str | Path, seed: int) -> dict[str, float]:
    """Return task id → its noise floor in accuracy points, from `predictions.parquet`.

    Raises:
        UserError: the file is damaged, or the predictions of a task are not of the same images.
    """
    return {
        task_id: noise_floor(np.array(list(right.values())), replicates, _rng(seed, task_id))
        for task_id, right, replicates in right_by_task(predictions_path)
    }


def _rng(seed: int, task_id: str) -> np.random.Generator:
    return generator(seed, task_id, "noise floor")


def noise_floor(right: NDArray[Any], replicates: int, rng: np.random.Generator) -> float:
    """Return the regret, in accuracy points, of choosing on one half of the test images and judging
    on the other; the mean over 50 random halvings and both directions.

    Of configurations that are equal on the one half, the mean is taken. Halves are noisier than the
    whole, so that this is rather above what choosing on as many other images would lose.

    Args:
        right: (C, N) how many of the replicates classify each image correctly; also fractions.

    Returns:
        0 for a single image, which has no halves.
    """
    images = right.shape[1]
    if images < 2:
        return 0.0
    order = rng.permuted(np.tile(np.arange(images), (SPLITS, 1)), axis=1)
    in_first = np.zeros((SPLITS, images))
    np.put_along_axis(in_first, order[:, : images // 2], 1.0, axis=1)
    first = right @ in_first.T
    second = right.sum(axis=1, keepdims=True) - first
    lost = _lost(first, second) / (images - images // 2) + _lost(second, first) / (images // 2)
    return float(100 * lost.mean() / 2 / replicates)


def _lost(chosen: Floats, judged: Floats) -> Floats:
    """Return (S,): by how many of `judged` (C, S) those that are best by `chosen` fall short."""
    best = chosen == chosen.max(axis=0)
    lost: Floats = judged.max(axis=0) - (judged * best).sum(axis=0) / best.sum(axis=0)
    return lost
