"""`card.json` of a model: what it was made from, how good it is, and what it was not tested for."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.conditions import OF_STEPS
from metaprobe.config.configurations import BLANK_WHEN_ZERO
from metaprobe.core.provenance import versions
from metaprobe.tables.statistics import wilson
from metaprobe.training.fragment import CHOICES, Fragment

Card = dict[str, Any]
CITATION = (
    "The metaprobe developers. metaprobe: image data sets as a meta-learning table. Version 0.2.0,"
    " 2026. https://github.com/metaprobe/metaprobe",
    "Rakotoarison et al. Learning meta-features for AutoML. International Conference on Learning"
    " Representations, 2022. https://openreview.net/forum?id=DTkEfj0Ygb8",
)
NOT_STATED = "not stated: ask who made them"
NONE = "none is needed, as they are random"


@dataclass(frozen=True)
class Compared:
    """How far an exported model is from the run.

    Attributes:
        pictures: N, those that were predicted.
        different: how many of them it puts into another class.
        largest_difference: of two probabilities of one class of one picture.
    """

    pictures: int
    different: int
    largest_difference: float


def make_card(
    fragment: Fragment,
    subset: dict[str, Any],
    recipe: dict[str, Any],
    licence: str | None,
    network: dict[str, Any],
    preprocessing: dict[str, Any],
    compared: Compared,
    predicted: NDArray[np.int32],
) -> Card:
    """Return the content of `card.json` but for digests of files.

    Args:
        recipe: the hyperparameters that are in use.
        licence: of the backbone's weights.
        network, preprocessing: of `whole`.
        predicted: (N,) classes of the test images, by the exported model.
    """
    first = fragment.replicates[0]
    return {
        "task_id": fragment.task_id,
        "configuration": fragment.configuration,
        "data": _data(fragment, subset),
        "recipe": _in_use(recipe),
        "chosen": {k: getattr(first, k) for k in CHOICES if getattr(first, k) is not None},
        "seed": first.seed,
        "replicates": len(fragment.replicates),
        "test": _test(fragment, subset, predicted),
        "compared": asdict(compared),
        "weights": {**fragment.weights.model_dump(), "licence": _licence(fragment, licence)},
        "network": network,
        "preprocessing": preprocessing,
        "not_tested_for": [*_not_tested_for(fragment)],
        "citation": list(CITATION),
        "versions": fragment.versions | versions("onnx", "onnxruntime", "pillow", "torch"),
        "git_commit": fragment.git_commit,
    }


def _data(fragment: Fragment, subset: dict[str, Any]) -> dict[str, Any]:
    """Return what it was trained and tested on."""
    return {
        "subset_sha256": fragment.subset_sha256,
        "pixels_sha256": fragment.pixels_sha256,
        "train_images": fragment.train_images,
        "test_images": fragment.test_images,
        "broken_images": fragment.broken_images,
        "sampling": fragment.sampling,
        "split": fragment.split.model_dump(),
        "train_counts_per_class": subset["train"]["counts_per_class"],
    }


def _test(
    fragment: Fragment, subset: dict[str, Any], predicted: NDArray[np.int32]
) -> dict[str, Any]:
    """Return how good it is."""
    labels = np.array(subset["test"]["labels"])
    matrix = np.zeros((subset["class_count"], subset["class_count"]), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    right = int(matrix.trace())
    low, high = wilson(right / len(labels), len(labels))
    return {
        "images": len(labels),
        "right": right,
        "accuracy": right / len(labels),
        "accuracy_low": low,
        "accuracy_high": high,
        "majority_rate": fragment.test_majority_rate,
        "expected_calibration_error": fragment.replicates[0].test_expected_calibration_error,
        "confusion_matrix": matrix.tolist(),
    }


def _in_use(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters that mean something to an experiment."""
    steps = recipe.get("head", "linear") == "linear"
    unused = {name for name in BLANK_WHEN_ZERO if not recipe.get(name)}
    unused |= set() if steps else OF_STEPS.keys() | {"epochs"}
    return {name: value for name, value in recipe.items() if name not in unused}


def _licence(fragment: Fragment, licence: str | None) -> str:
    return NONE if is_random(fragment.weights.id) else licence or NOT_STATED


def _not_tested_for(fragment: Fragment) -> Iterator[str]:
    error = fragment.replicates[0].test_expected_calibration_error
    yield "pictures of another origin than the test pictures: of another camera, light, place or time"
    yield "pictures that show none of its classes, or several: it always names one"
    yield (
        "its probabilities as probabilities: on the test pictures they are "
        f"{100 * error:.1f} points off on average (expected calibration error)"
    )
    if fragment.split.rule != "official":
        yield (
            "objects and scenes that it has not seen: training and test pictures are of one folder, and "
            "where several show the same thing, the accuracy is too high"
        )
    if is_random(fragment.weights.id):
        yield "any use: the backbone has random weights, as in a demo"


def is_random(weights_id: str) -> bool:
    """Return whether the weights of a backbone are random, by their id."""
    return weights_id.startswith("random ")
