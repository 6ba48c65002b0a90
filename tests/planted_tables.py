"""Tables in which it is known which tasks are alike: hidden factors decide what works on a task."""

from dataclasses import dataclass

import numpy as np
from metaprobe.recommend.meta_table import Floats, MetaTable, standardise_accuracy

SIX = {
    f"{architecture.lower()}-{style}": {
        "architecture": architecture,
        "learning_rate": 0.01 if style == "plain" else 0.001,
        "optimizer": "Adam",
        "batch_size": 64,
        "weight_decay": 0.0001,
        "momentum": 0.0,
        "dropout_rate": dropout if style == "plain" else max(dropout, 0.1),
        "alpha": 1.0,
        "label_smoothing": 0.0 if style == "plain" else 0.1,
        "grad_clip": 0.0 if style == "plain" else 1.0,
        "epochs": 3,
    }
    for architecture, dropout in (("ResNet18", 0.0), ("EfficientNetB0", 0.2), ("MobileNetV2", 0.0))
    for style in ("plain", "regularized")
}


@dataclass(frozen=True)
class Planted:
    """A table and the truth behind it: accuracies without noise and difficulty, and times."""

    table: MetaTable
    ranking_distance: Floats
    seconds: Floats


def planted(seed: int, tasks: int = 30, noise: float = 0.004) -> Planted:
    """Three hidden factors per task, seen by its meta-features and by the configurations alike.

    Each task has a difficulty of its own, which says nothing of what works on it, and times that
    say nothing at all. Every third task shares its family with the next.
    """
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(tasks, 3))
    response = factors @ rng.normal(size=(3, len(SIX)))
    difficulty = rng.uniform(0.3, 0.85, size=(tasks, 1))
    accuracy = difficulty + 0.03 * response + noise * rng.normal(size=response.shape)
    basic = np.hstack(
        [
            factors @ rng.normal(size=(3, 9)) + 0.2 * rng.normal(size=(tasks, 9)),
            rng.normal(size=(tasks, 3)),
        ]
    )
    evidence = np.array([response[:, start : start + 2].max(axis=1) for start in (0, 2, 4)]).T
    names = [f"LogME_{name}" for name in ("ResNet18", "EfficientNetB0", "MobileNetV2")]
    truth = standardise_accuracy(response)
    table = MetaTable(
        tasks=tuple(f"Task{number}" for number in range(tasks)),
        families=tuple(f"family {number - number % 3 % 2}" for number in range(tasks)),
        configurations=SIX,
        accuracy=np.clip(accuracy, 0, 1),
        columns=(*(f"feature_{number}" for number in range(12)), *names),
        basic=np.hstack([basic, evidence + rng.normal(size=evidence.shape)]),
    )
    distance = np.sqrt(np.square(truth[:, None] - truth[None]).sum(axis=2))
    return Planted(table, distance, rng.uniform(50, 400, size=accuracy.shape))
