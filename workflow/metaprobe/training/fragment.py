"""The JSON fragment of one experiment: put together from its files, and read back with suspicion."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml
from jsonschema import Draft202012Validator

from metaprobe.core.files import Arrays, broken, is_intact, read_arrays, read_json, seal
from metaprobe.data.subset import read_subset
from metaprobe.training import measures, metrics
from metaprobe.training.predictions import predict

SCHEMA = Path(__file__).parents[2] / "schemas" / "fragment.schema.yaml"
SAME_LOSS = 1e-4
COLUMNS = (
    "task_id",
    "architecture",
    "learning_rate",
    "optimizer",
    "batch_size",
    "weight_decay",
    "momentum",
    "dropout_rate",
    "alpha",
    "label_smoothing",
    "grad_clip",
    "test_accuracy",
    "train_accuracy",
    "test_loss",
    "training_time_sec",
    "epochs",
)
MEASURED = ("test_accuracy", "train_accuracy", "test_loss", "training_time_sec")
HYPERPARAMETERS = tuple(name for name in COLUMNS if name not in ("task_id", *MEASURED))
METRICS = (
    "test_accuracy",
    "train_accuracy",
    "test_loss",
    "test_balanced_accuracy",
    "test_macro_f1",
    "test_top5_accuracy",
    "test_expected_calibration_error",
)


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
        The fragment, and what `predictions.predict` tells of each test image.

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
        if not _same_loss(one["learning_curve"][-1]["test_loss"], one["test_loss"]):
            raise broken(head_path, "its learning curve ends elsewhere than its weights")
    seconds = extraction["seconds"] | {"head": fmean(one["seconds"] for one in replicates)}
    columns = (
        {"task_id": task_id}
        | hyperparameters
        | {name: fmean(one[name] for one in replicates) for name in METRICS}
        | {"training_time_sec": seconds["train_features"] + seconds["head"]}
    )
    labels = {part: features[f"{part}_labels"] for part in ("train", "test")}
    provenance = {
        "configuration": configuration,
        **{name: columns[name] for name in METRICS if name not in COLUMNS},
        "train_majority_rate": measures.majority_rate(labels["train"]),
        "test_majority_rate": measures.majority_rate(labels["test"]),
        "class_count": subset["class_count"],
        "pretext": subset["pretext"],
        "split": subset["split"],
        "partial": subset["partial"],
        "read_as": subset["read_as"],
        "family": family,
        "train_images": subset["train"]["images"],
        "test_images": subset["test"]["images"],
        "sampling": subset["sampling"],
        "subset_sha256": subset["sha256"],
        "pixels_sha256": extraction["pixels_sha256"],
        "weights": extraction["weights"],
        "seed": subset["seed"],
        "engine": extraction["engine"],
        "precision": extraction["precision"],
        "device": extraction["device"],
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
    fragment = seal({column: columns[column] for column in COLUMNS} | provenance)
    images = np.array(subset["test"]["indices"])
    return fragment, predict(features["test_features"], labels["test"], images, head)


def measure(features: dict[str, Any], head: dict[str, Any]) -> dict[str, float]:
    """The METRICS of one head, weight (C, D) and bias (C,); the loss is plain cross-entropy."""
    train, test = (
        metrics.logits(features[f"{part}_features"], head["weight"], head["bias"])
        for part in ("train", "test")
    )
    labels = features["test_labels"]
    predicted = test.argmax(axis=1)
    return {
        "test_accuracy": metrics.accuracy(test, labels),
        "train_accuracy": metrics.accuracy(train, features["train_labels"]),
        "test_loss": metrics.cross_entropy(test, labels),
        "test_balanced_accuracy": measures.balanced_accuracy(predicted, labels),
        "test_macro_f1": measures.macro_f1(predicted, labels),
        "test_top5_accuracy": measures.top_accuracy(test, labels),
        "test_expected_calibration_error": measures.expected_calibration_error(test, labels),
    }


def mean_curve(curves: Sequence[list[dict[str, float]]]) -> list[dict[str, float]]:
    """The mean of learning curves of equal length, epoch by epoch."""
    names = ("train_loss", "test_loss", "test_accuracy")
    return [
        {"epoch": points[0]["epoch"]} | {name: fmean(p[name] for p in points) for name in names}
        for points in zip(*curves, strict=True)
    ]


class FragmentReader:
    """Reads fragments; the schema is loaded once for all of them."""

    def __init__(self) -> None:
        schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
        self._validator = Draft202012Validator(schema)

    def read(
        self,
        path: str | Path,
        task_id: str,
        configuration: str,
        expected: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Read one fragment.

        Args:
            expected: values it must have beside its ids; `weights` means their id, `engine` its
                name, `replicates` their number.

        Raises:
            UserError: a value is missing, extra, impossible or at odds with another, or it is
                another experiment's.
        """
        fragment: dict[str, Any] = read_json(path)
        for error in sorted(self._validator.iter_errors(fragment), key=str):
            where = "/".join(map(str, error.absolute_path))
            raise broken(path, f"{where}: {error.message}" if where else error.message)
        facts = fragment | {
            "weights": fragment["weights"]["id"],
            "engine": fragment["engine"]["name"],
            "replicates": len(fragment["replicates"]),
        }
        for key, value in {"task_id": task_id, "configuration": configuration, **expected}.items():
            found = facts[key]
            if repr(found) != repr(value):
                raise broken(path, f"its {key} is {found}, not {value}")
        if trouble := next(contradictions(fragment), None):
            raise broken(path, trouble)
        if not is_intact(fragment):
            raise broken(path, "its content does not match its digest")
        return fragment


def contradictions(fragment: dict[str, Any]) -> Iterator[str]:
    """What in a fragment cannot be true together."""
    replicates, seconds = fragment["replicates"], fragment["seconds"]
    curves = [fragment["learning_curve"], *(one["learning_curve"] for one in replicates)]
    for curve in curves:
        if [point["epoch"] for point in curve] != list(range(1, fragment["epochs"] + 1)):
            yield f"its learning_curve has not the {fragment['epochs']} epochs it names"
            return
    for number, one in enumerate(replicates):
        for trouble in _contradictions_of_replicate(one, fragment):
            yield f"replicate {number}: {trouble}"
        if one["seed"] != fragment["seed"] + number:
            yield f"replicate {number}: its seed is not {fragment['seed'] + number}"
    for name in METRICS:
        if not math.isclose(fragment[name], fmean(one[name] for one in replicates), rel_tol=1e-9):
            yield f"its {name} is not the mean of its replicates"
    if not math.isclose(seconds["head"], fmean(one["seconds"] for one in replicates), rel_tol=1e-9):
        yield "its seconds/head is not the mean of its replicates"
    if fragment["learning_curve"] != mean_curve(curves[1:]):
        yield "its learning_curve is not the mean of its replicates"
    if not math.isclose(
        fragment["training_time_sec"], seconds["train_features"] + seconds["head"], abs_tol=1e-6
    ):
        yield "its training_time_sec is not the sum of its parts"
    if fragment["momentum"] and fragment["optimizer"] not in ("SGD", "RMSprop"):
        yield f"momentum means nothing to {fragment['optimizer']}"


def _contradictions_of_replicate(
    replicate: dict[str, Any], fragment: dict[str, Any]
) -> Iterator[str]:
    last = replicate["learning_curve"][-1]
    if not _same_loss(last["test_loss"], replicate["test_loss"]):
        yield "its test_loss is not the last of its learning_curve"
    rounding_images = 2  # a tie may fall otherwise in single and in double precision
    apart = abs(last["test_accuracy"] - replicate["test_accuracy"]) * fragment["test_images"]
    if apart > rounding_images:
        yield "its test_accuracy is not the last of its learning_curve"
    for part in ("train", "test"):
        right = replicate[f"{part}_accuracy"] * fragment[f"{part}_images"]
        if abs(right - round(right)) > 1e-6:
            yield f"its {part}_accuracy is no fraction of {fragment[f'{part}_images']} images"


def _same_loss(first: float, second: float) -> bool:
    """Equal but for single against double precision."""
    return math.isclose(first, second, rel_tol=SAME_LOSS, abs_tol=SAME_LOSS)
