"""What each head says of each test image, so that a measure can be added without training."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.files import Arrays, broken, read_arrays
from metaprobe.training import measures, metrics


def predict(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    images: NDArray[np.int64],
    head: Arrays,
) -> Arrays:
    """The predictions of R heads, `weight` (R, C, D) and `bias` (R, C), for N test images.

    Probabilities of all classes would be C times as big; those of the true and of the predicted
    class give loss, calibration and confidence, and can be kept of every experiment.

    Args:
        images: (N,) their indices in the data set's pool.

    Returns:
        Arrays `image` and `true_class` (N,), `predicted_class`, `probability_true` and
        `probability_predicted` (R, N).
    """
    every = np.arange(len(labels))
    predicted, probability_true, probability_predicted = [], [], []
    for weight, bias in zip(head["weight"], head["bias"], strict=True):
        logits = metrics.logits(features, weight, bias)
        shares = measures.probabilities(logits)
        predicted.append(logits.argmax(axis=1))
        probability_true.append(shares[every, labels])
        probability_predicted.append(shares.max(axis=1))
    return {
        "image": images.astype(np.int32),
        "true_class": labels.astype(np.int32),
        "predicted_class": np.stack(predicted).astype(np.int32),
        "probability_true": np.stack(probability_true),
        "probability_predicted": np.stack(probability_predicted),
    }


def read_predictions(folder: str | Path, task_id: str, configuration: str) -> Arrays:
    """What `predict` gave of one experiment.

    Args:
        folder: holds them as `<task_id>/<configuration>.safetensors`.

    Raises:
        UserError: the file is missing, broken or another experiment's.
    """
    path = Path(folder, task_id, f"{configuration}.safetensors")
    arrays, ids = read_arrays(path)
    if ids != {"task_id": task_id, "configuration": configuration}:
        raise broken(path, "it is another experiment's")
    return arrays
