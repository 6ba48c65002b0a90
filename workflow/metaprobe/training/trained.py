"""What training leaves for measuring: what the heads of an experiment say of each image.

Whatever trained them, metrics, predictions, comparisons and report read only this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.core.arrays import Arrays
from metaprobe.core.jobs import peak_memory_gb
from metaprobe.core.provenance import versions
from metaprobe.core.randomness import Draws
from metaprobe.training import metrics
from metaprobe.training.heads import LabelledFeatures, train_head
from metaprobe.training.material import Material, read_material
from metaprobe.training.reference_heads import fit_logistic, fit_ridge

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Said:
    """One trained head, or network.

    Attributes:
        seed: of its initial weights, batches and masks.
        parameters: what was trained, by name; of a head `weight` (C, D) and `bias` (C,).
        test_logits, validation_logits: (N, C), in the order of the subset.
        train_accuracy: on the training images as they are.
        curve: see `heads.Trained`.
        seconds, cpu_seconds: of training.
        facts: what was chosen on the way, such as `best_epoch` and `stopped_epoch`.
    """

    seed: int
    parameters: dict[str, NDArray[Any]]
    test_logits: Doubles
    validation_logits: Doubles | None
    train_accuracy: float
    curve: list[dict[str, float]]
    seconds: float
    cpu_seconds: float
    facts: dict[str, Any] = field(default_factory=dict)


def train_on_file(
    features_path: str,
    dataset: str,
    hyperparameters: dict[str, Any],
    seed: int,
    replicates: int = 1,
    *,
    validation_path: str | None = None,
    view_paths: Sequence[str] = (),
) -> tuple[Arrays, dict[str, Any]]:
    """Train the heads of one experiment on cached features, on one thread.

    Args:
        replicates: number R of heads; they have the seeds `seed`, `seed + 1`, ..., of which come
            the initial head, the batches and the dropout masks.

    Returns:
        See `as_file`.

    Raises:
        UserError: a file is broken, or a replicate diverged.
    """
    material = read_material(features_path, validation_path, view_paths)
    with threadpool_limits(1):
        said = [
            train_once(material, hyperparameters, dataset, own_seed)
            for own_seed in range(seed, seed + replicates)
        ]
    images = len(material.train.labels)
    return as_file(said, material.extraction, material.parts, hyperparameters, images)


def as_file(
    said: Sequence[Said],
    extraction: dict[str, Any],
    parts: dict[str, str],
    hyperparameters: dict[str, Any],
    train_images: int,
) -> tuple[Arrays, dict[str, Any]]:
    """Return the file of an experiment's R heads.

    Returns:
        Arrays `weight` (R, C, D) and `bias` (R, C), or what else was trained, `test_logits` (R, N, C)
        and `validation_logits`, float64; and metadata: of each of the `replicates` what `Said` tells,
        `extraction` and its digest, `parts`, hyperparameters, seed, peak memory, versions.
    """
    first = said[0]
    arrays: Arrays = {
        name: np.stack([one.parameters[name] for one in said]) for name in first.parameters
    }
    arrays["test_logits"] = np.stack([one.test_logits for one in said])
    if first.validation_logits is not None:
        arrays["validation_logits"] = np.stack(
            [one.validation_logits for one in said if one.validation_logits is not None]
        )
    replicates = [
        {
            "seed": one.seed,
            "learning_curve": one.curve,
            "seconds": one.seconds,
            "cpu_seconds": one.cpu_seconds,
            "train_accuracy": one.train_accuracy,
            **one.facts,
        }
        for one in said
    ]
    return arrays, {
        "replicates": replicates,
        "extraction": extraction,
        "features_sha256": extraction["features_sha256"],
        "parts": parts,
        "train_images": train_images,
        "hyperparameters": hyperparameters,
        "seed": first.seed,
        "peak_memory_gb": peak_memory_gb(),
        "versions": versions("numpy"),
    }


def train_once(
    material: Material, hyperparameters: dict[str, Any], dataset: str, seed: int
) -> Said:
    """Train one head.

    Raises:
        UserError: it diverged.
    """
    recipe = RECIPE_DEFAULTS | hyperparameters
    if recipe["head"] == "logistic":
        trained, facts = fit_logistic(material)
    elif recipe["head"] == "ridge":
        trained, facts = fit_ridge(material)
    else:
        trained = train_head(
            material.train,
            material.test,
            material.class_count,
            hyperparameters,
            Draws(seed, dataset),
            validation=material.validation,
            views=material.views,
        )
        facts = {}
        if recipe["patience"]:
            facts = {"best_epoch": trained.kept_epoch, "stopped_epoch": len(trained.curve)}
    head = trained.head

    def say(split: LabelledFeatures) -> Doubles:
        return metrics.logits(split.features, head.weight, head.bias)

    return Said(
        seed=seed,
        parameters={"weight": head.weight, "bias": head.bias},
        test_logits=say(material.test),
        validation_logits=say(material.validation) if material.validation else None,
        train_accuracy=metrics.accuracy(say(material.train), material.train.labels),
        curve=trained.curve,
        seconds=trained.seconds,
        cpu_seconds=trained.cpu_seconds,
        facts=facts,
    )
