"""Measuring what the heads of an experiment say: its fragment, and its predictions.

Neither features nor images are read, nor does it count what trained the heads.
"""

from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.configurations import TARGET_COLUMNS
from metaprobe.core.arrays import Arrays, read_arrays
from metaprobe.core.files import broken, with_checksum
from metaprobe.data.subset import read_subset, read_validation
from metaprobe.training import metrics
from metaprobe.training.fragment import CHOICES, METRICS, VALIDATED, mean_curve, same_loss

Doubles = NDArray[np.float64]


def build_fragment(
    *,
    task_id: str,
    configuration: str,
    hyperparameters: dict[str, Any],
    family: str | None,
    subset_path: str,
    head_path: str,
    git_commit: str | None,
    validation_path: str | None = None,
) -> tuple[dict[str, Any], Arrays]:
    """Measure what the heads of an experiment say and gather all that is known.

    Args:
        head_path: what `trained.as_file` made.
        validation_path: the draw of the validation images, if there are any.

    Returns:
        The fragment, and what `predict` tells of each test image.

    Raises:
        UserError: a file is broken, or the files do not belong together.
    """
    subset = read_subset(subset_path)
    said, training = read_arrays(head_path)
    extraction = training["extraction"]
    if extraction["subset_sha256"] != subset["sha256"]:
        raise broken(head_path, f"it was trained on another subset than {subset_path}")
    if extraction["architecture"] != hyperparameters["architecture"]:
        raise broken(head_path, f"its features are of {extraction['architecture']}")
    if (training["hyperparameters"], training["seed"]) != (hyperparameters, subset["seed"]):
        raise broken(head_path, "it was trained with other hyperparameters or another seed")
    labels = {split: np.array(subset[split]["labels"]) for split in ("train", "test")}
    if said["test_logits"].shape[1:] != (len(labels["test"]), subset["class_count"]):
        raise broken(head_path, f"it has not the test images and classes of {subset_path}")
    replicates = [
        one | measure(said["test_logits"][number], labels["test"])
        for number, one in enumerate(training["replicates"])
    ]
    validated: dict[str, float] = {}
    if validation_path is not None:
        validated = validate(
            said["validation_logits"], np.array(read_validation(validation_path, subset)["labels"])
        )
    for one in replicates:
        kept = one["learning_curve"][one.get("best_epoch", len(one["learning_curve"])) - 1]
        if not same_loss(kept["test_loss"], one["test_loss"]):
            raise broken(head_path, "its learning curve ends elsewhere than its weights")
    seconds = extraction["seconds"] | {
        "head": fmean(one["seconds"] for one in replicates),
        "head_cpu": fmean(one["cpu_seconds"] for one in replicates),
    }
    columns = (
        {"task_id": task_id}
        | hyperparameters
        | {name: fmean(one[name] for one in replicates) for name in METRICS}
        | validated
        | {
            name: fmean(one[name] for one in replicates)
            for name in CHOICES
            if name in replicates[0]
        }
        | {"training_time_sec": seconds["train_features"] + seconds["head"]}
    )
    of_subset = ("class_count", "pretext", "split", "partial", "read_as", "sampling", "seed")
    of_extraction = ("pixels_sha256", "preprocessing", "weights", "engine", "precision", "device")
    provenance = {
        **{f"{split}_majority_rate": metrics.majority_rate(labels[split]) for split in labels},
        **{key: subset[key] for key in of_subset},
        "broken_images": subset.get("broken_images", 0),
        "train_images": training["train_images"],
        "test_images": subset["test"]["images"],
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
            {name: one[name] for name in OF_REPLICATES if name in one} for one in replicates
        ],
        "versions": extraction["versions"] | training["versions"],
        "git_commit": git_commit,
    }
    if training["parts"]:
        provenance["parts"] = [f"{name} {digest}" for name, digest in training["parts"].items()]
    first = {name: columns[name] for name in TARGET_COLUMNS} | {"configuration": configuration}
    images = np.array(subset["test"]["indices"])
    predictions = predict(said["test_logits"], labels["test"], images)
    return with_checksum(first | columns | provenance), predictions


OF_REPLICATES = ("seed", *METRICS, *CHOICES, "seconds", "cpu_seconds", "learning_curve")


def measure(logits: Doubles, labels: NDArray[np.int64]) -> dict[str, float]:
    """Return the METRICS of one head on the test images but the training accuracy; the loss is plain
    cross-entropy.

    Args:
        logits, labels: (N, C) and (N,).
    """
    predicted = logits.argmax(axis=1)
    return {
        "test_accuracy": metrics.accuracy(logits, labels),
        "test_loss": metrics.cross_entropy(logits, labels),
        "test_balanced_accuracy": metrics.balanced_accuracy(predicted, labels),
        "test_macro_f1": metrics.macro_f1(predicted, labels),
        "test_top5_accuracy": metrics.top_accuracy(logits, labels),
        "test_expected_calibration_error": metrics.expected_calibration_error(logits, labels),
    }


def validate(logits: Doubles, labels: NDArray[np.int64]) -> dict[str, float]:
    """Return accuracy and loss on the validation images, the mean of R heads: (R, N, C) and (N,)."""
    return {
        VALIDATED[0]: fmean(metrics.accuracy(one, labels) for one in logits),
        VALIDATED[1]: fmean(metrics.cross_entropy(one, labels) for one in logits),
    }


def predict(logits: Doubles, labels: NDArray[np.int64], images: NDArray[np.int64]) -> Arrays:
    """Return the predictions of R heads for N test images.

    Probabilities of all classes would be C times as big; those of the true and of the predicted
    class give loss, calibration and confidence, and can be kept of every experiment.

    Args:
        logits: (R, N, C).
        images: (N,) their indices in the data set's pool.

    Returns:
        Arrays `image` and `true_class` (N,), `predicted_class`, `probability_true` and
        `probability_predicted` (R, N).
    """
    every = np.arange(len(labels))
    predicted, probability_true, probability_predicted = [], [], []
    for one in logits:
        shares = metrics.probabilities(one)
        predicted.append(one.argmax(axis=1))
        probability_true.append(shares[every, labels])
        probability_predicted.append(shares.max(axis=1))
    return {
        "image": images.astype(np.int32),
        "true_class": labels.astype(np.int32),
        "predicted_class": np.stack(predicted).astype(np.int32),
        "probability_true": np.stack(probability_true),
        "probability_predicted": np.stack(probability_predicted),
    }
