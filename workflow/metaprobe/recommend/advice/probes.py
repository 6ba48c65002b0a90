"""Probes: how well a backbone's features of a few images tell the classes apart, with nothing trained."""

import time

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.randomness import generator
from metaprobe.training.reference_heads import leave_one_out

# Images of a probe; each rung costs as much as all before it. Beyond, one may as well train.
RUNGS = (64, 128, 256, 512, 1024)


def probe_order(seed: int, task_id: str, images: int) -> NDArray[np.int64]:
    """Return the order in which a data set's training images are looked at: (N,)."""
    return generator(seed, task_id, "probe order").permutation(images)


def rungs_of(images: int) -> list[int]:
    """Return the numbers of images of a data set's probes; the last is of all, if these are few."""
    return [*(rung for rung in RUNGS if rung < images), images][: len(RUNGS)]


def probe(features: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the share of N images that the N - 1 others classify correctly by least squares.

    Args:
        features: (N, D)
        labels: (N,), of which some may be absent.
    """
    classes, own = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        return 1.0
    return leave_one_out(features.astype(np.float64), own, len(classes)).accuracy


def probe_curve(
    features: NDArray[np.floating], labels: NDArray[np.int64], order: NDArray[np.int64]
) -> tuple[dict[int, float], dict[int, float]]:
    """Return images -> leave-one-out accuracy, and CPU seconds, for each rung of a training set."""
    accuracy, seconds = {}, {}
    for rung in rungs_of(len(order)):
        start = time.process_time()
        accuracy[rung] = probe(features[order[:rung]], labels[order[:rung]])
        seconds[rung] = time.process_time() - start
    return accuracy, seconds
