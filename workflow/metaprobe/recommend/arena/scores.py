"""What metrics of transferability say of one data set and backbone, from its cached features."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from metaprobe.core.arrays import Arrays, read_arrays
from metaprobe.core.randomness import generator
from metaprobe.recommend.advice.probes import probe_curve, probe_order
from metaprobe.recommend.transferability import METRICS, NEEDS_SOURCE

Floats = NDArray[np.float64]

SUBSETS = 3  # random halves of the training images, for how much a ranking depends on the draw
NOT_ENOUGH = 8  # images: with fewer in a half nothing is measured


def score_on_files(features_path: str, classifier_path: str, *, seed: int) -> dict[str, Any]:
    """Return what `score` returns for a file of features, with what was scored.

    Raises:
        UserError: a file is missing or damaged.
    """
    arrays, extraction = read_arrays(features_path)
    classifier, facts = read_arrays(classifier_path)
    found = score(
        arrays["train_features"],
        arrays["train_labels"],
        classifier,
        task_id=extraction["task_id"],
        seed=seed,
    )
    ids = ("task_id", "architecture", "subset_sha256", "features_sha256")
    told = {name: extraction[name] for name in ids} | {"weights_id": extraction["weights"]["id"]}
    return told | found | {"classifier": facts}


def score(
    features: NDArray[Any],
    labels: NDArray[np.int64],
    classifier: Arrays,
    *,
    task_id: str,
    seed: int,
) -> dict[str, Any]:
    """Return all metrics of one data set and backbone, on one thread.

    Args:
        features: (N, D) of the training images.
        labels: (N,)
        classifier: `weight` (Z, D) and `bias` (Z,) of the source classes, or nothing.

    Returns:
        `scores`: metric -> value, None where it cannot be had; `cpu_seconds`: metric -> seconds;
        `halves`: the scores of each of SUBSETS random halves of the images; and `probes`:
        images -> leave-one-out accuracy, with their `probe_cpu_seconds`.
    """
    exact = features.astype(np.float64)
    with threadpool_limits(1):
        start = time.process_time()
        source = source_probabilities(exact, classifier)
        of_source = time.process_time() - start
        scores, seconds = measure(exact, source, labels)
        seconds |= {name: seconds[name] + of_source for name in NEEDS_SOURCE & seconds.keys()}
        halves = []
        for number in range(SUBSETS):
            draws = generator(seed, task_id, f"half {number} for transferability")
            chosen = np.sort(draws.permutation(len(labels))[: len(labels) // 2])
            if len(chosen) < NOT_ENOUGH:
                break
            part = None if source is None else source[chosen]
            halves.append(measure(exact[chosen], part, labels[chosen])[0])
        curve, costs = probe_curve(exact, labels, probe_order(seed, task_id, len(labels)))
    return {
        "scores": scores,
        "cpu_seconds": seconds,
        "halves": halves,
        "probes": {str(images): accuracy for images, accuracy in curve.items()},
        "probe_cpu_seconds": {str(images): seconds for images, seconds in costs.items()},
    }


def source_probabilities(features: Floats, classifier: Mapping[str, NDArray[Any]]) -> Floats | None:
    """Return the probabilities (N, Z) of the classes that a backbone was trained on; None if unknown."""
    if not classifier:
        return None
    logits = features @ classifier["weight"].T.astype(np.float64) + classifier["bias"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


def measure(
    features: Floats, source: Floats | None, labels: NDArray[np.int64]
) -> tuple[dict[str, float | None], dict[str, float]]:
    """Return of each metric its score, None where it is no number, and its CPU seconds."""
    scores: dict[str, float | None] = {}
    seconds: dict[str, float] = {}
    for name, metric in METRICS.items():
        if source is None and name in NEEDS_SOURCE:
            scores[name] = None
            continue
        start = time.process_time()
        value = metric(features, source, labels)
        seconds[name] = time.process_time() - start
        scores[name] = float(value) if np.isfinite(value) else None
    return scores, seconds
