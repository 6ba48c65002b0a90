"""Measuring the trained heads of an experiment: its fragment, and its predictions."""

from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.configurations import TARGET_COLUMNS
from metaprobe.core.files import Arrays, broken, read_arrays, with_checksum
from metaprobe.data.subset import read_subset
from metaprobe.training import metrics
from metaprobe.training.fragment import METRICS, mean_curve, same_loss


def build_fragment(
    *,
    task_id: str,
    configuration: str,
    hyperparameters: dict[str, Any],
    family: str | None,
    subset_path: str,
    features_path: str,
    head_path: str,
    git_commit: str | None,
) -> tuple[dict[str, Any], Arrays]:
    """Measure the heads of an experiment on the cached features and gather all that is known.

    Returns:
        The fragment, and what `predict` tells of each test image.

    Raises:
        UserError: a file is broken, or the files do not belong together.
    """
    subset = read_subset(subset_path)
    features, extraction = read_arrays(features_path)
    head, training = read_arrays(head_path)
    if extraction["subset_sha256"] != subset["sha256"]:
        raise broken(features_path, f"it was extracted from another subset than {subset_path}")
    if extraction["architecture"] != hyperparameters["architecture"]:
        raise broken(features_path, f"its features are of {extraction['architecture']}")
    if training["features_sha256"] != extraction["features_sha256"]:
        raise broken(head_path, f"it was trained on other features than {features_path}")
    if (training["hyperparameters"], training["seed"]) != (hyperparameters, subset["seed"]):
        raise broken(head_path, "it was trained with other hyperparameters or another seed")
    replicates = [
        one | measure(features, {name: head[name][number] for name in ("weight", "bias")})
        for number, one in enumerate(training["replicates"])
    ]
    for one in replicates:
        if not same_loss(one["learning_curve"][-1]["test_loss"], one["test_loss"]):
            raise broken(head_path, "its learning curve ends elsewhere than its weights")
    seconds = extraction["seconds"] | {"head": fmean(one["seconds"] for one in replicates)}
    columns = (
        {"task_id": task_id}
        | hyperparameters
        | {name: fmean(one[name] for one in replicates) for name in METRICS}
        | {"training_time_sec": seconds["train_features"] + seconds["head"]}
    )
    labels = {split: features[f"{split}_labels"] for split in ("train", "test")}
    of_subset = ("class_count", "pretext", "split", "partial", "read_as", "sampling", "seed")
    of_extraction = ("pixels_sha256", "preprocessing", "weights", "engine", "precision", "device")
    provenance = {
        **{f"{split}_majority_rate": metrics.majority_rate(labels[split]) for split in labels},
        **{key: subset[key] for key in of_subset},
        "broken_images": subset.get("broken_images", 0),
        **{f"{split}_images": subset[split]["images"] for split in labels},
        "family": family,
        "subset_sha256": subset["sha256"],
        **{key: extraction[key] for key in of_extraction},
        "seconds": seconds,
        "peak_memory_gb": {
            "features": extraction["peak_memory_gb"],
            "head": training["peak_memory_gb"],
        },
        "learning_curve": mean_curve([one["learning_curve"] for one in replicates]),
        "replicates": [
            {name: one[name] for name in ("seed", *METRICS, "seconds", "learning_curve")}
            for one in replicates
        ],
        "versions": extraction["versions"] | training["versions"],
        "git_commit": git_commit,
    }
    first = {name: columns[name] for name in TARGET_COLUMNS} | {"configuration": configuration}
    images = np.array(subset["test"]["indices"])
    predictions = predict(features["test_features"], labels["test"], images, head)
    return with_checksum(first | columns | provenance), predictions


def measure(features: dict[str, Any], head: dict[str, Any]) -> dict[str, float]:
    """Return the METRICS of one head, weight (C, D) and bias (C,); the loss is plain cross-entropy."""
    train, test = (
        metrics.logits(features[f"{split}_features"], head["weight"], head["bias"])
        for split in ("train", "test")
    )
    labels = features["test_labels"]
    predicted = test.argmax(axis=1)
    return {
        "test_accuracy": metrics.accuracy(test, labels),
        "train_accuracy": metrics.accuracy(train, features["train_labels"]),
        "test_loss": metrics.cross_entropy(test, labels),
        "test_balanced_accuracy": metrics.balanced_accuracy(predicted, labels),
        "test_macro_f1": metrics.macro_f1(predicted, labels),
        "test_top5_accuracy": metrics.top_accuracy(test, labels),
        "test_expected_calibration_error": metrics.expected_calibration_error(test, labels),
    }


def predict(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    images: NDArray[np.int64],
    head: Arrays,
) -> Arrays:
    """Return the predictions of R heads, `weight` (R, C, D) and `bias` (R, C), for N test images.

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
        shares = metrics.probabilities(logits)
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
