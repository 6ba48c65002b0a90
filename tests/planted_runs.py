"""Runs of drawn accuracies for the report: as many data sets, configurations and failures as wanted."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import fragments
import numpy as np
from metaprobe.operations.status import State
from metaprobe.report.data import Run

ARCHITECTURES = ("ResNet18", "MobileNetV2", "EfficientNetB0")
NOTHING: dict[str, Any] = {"licences": {}, "validation": None, "evaluation": None, "machine": {}}


def fragment(task: str, name: str, accuracy: float, **changes: Any) -> dict[str, Any]:
    """A fragment of a chosen accuracy, architectures in turn."""
    turn = int(name[-1]) % 3 if name[-1].isdigit() else 0
    seconds = {"train_features": 1800.0, "test_features": 1800.0, "waiting": 0.0, "head": 36.0}
    own = {"architecture": ARCHITECTURES[turn], "family": None, "seconds": seconds}
    one = fragments.fragment(task, name, test_accuracy=accuracy, **own | changes)
    one["replicates"][0]["seconds"] = 36.0
    return one


def made(
    tasks: int,
    names: int,
    *,
    missing: Sequence[tuple[int, int]] = (),
    accuracy: Callable[[int, int], float] | None = None,
    name: Callable[[int], str] = "plain{}".format,
    family: str | None = None,
    own: Callable[[int, int], dict[str, Any]] = lambda task, name: {},
    **changes: Any,
) -> Run:
    """A run of drawn accuracies, or of those that are given by task and configuration."""
    rng = np.random.default_rng(0)
    states, found = {}, []
    for i, j in itertools.product(range(tasks), range(names)):
        ids = f"Task{i}", name(j)
        drawn = float(rng.integers(0, 21) / 20)
        states[ids] = State("done")
        if (i, j) in missing:
            states[ids] = State("failed", "logs/train_head", "diverged at epoch 1, step 3")
        else:
            more = ({"family": family} if family else {}) | own(i, j)
            found.append(fragment(*ids, accuracy(i, j) if accuracy else drawn, **more))
    return Run(states=states, tables=fragments.tables(found), **(NOTHING | changes))


def lifelike(tasks: int, names: int, **changes: Any) -> Run:
    """A run as a real one looks: better and worse configurations, hard and easy tasks, families of up
    to three, seconds and a table of recommenders, all drawn; it says nothing of any network.
    """
    rng = np.random.default_rng(7)
    ease = rng.uniform(0.3, 0.95, tasks)
    skill = np.linspace(0.06, -0.06, names)[rng.permutation(names)]
    noise = rng.normal(0, 0.02, (tasks, names))
    cost = np.exp(rng.normal(0, 0.5, names))

    def accuracy(i: int, j: int) -> float:
        return float(np.clip(ease[i] + skill[j] + noise[i, j], 0.05, 0.99).round(4))

    def own(i: int, j: int) -> dict[str, Any]:
        classes = 2 + 7 * i % 99
        curve = [
            {
                "epoch": e,
                "train_loss": 2 / e,
                "test_loss": 2 / e,
                "test_accuracy": accuracy(i, j) * (1 - 0.3 / e),
            }
            for e in (1, 2, 3)
        ]
        metrics = {"test_accuracy": accuracy(i, j), "train_accuracy": 0.9, "test_loss": 0.2}
        metrics |= {"test_balanced_accuracy": 0.9, "test_macro_f1": 0.9, "test_top5_accuracy": 0.99}
        metrics |= {"test_expected_calibration_error": 0.02}
        one = {"seed": 0, "seconds": 36.0, "learning_curve": curve} | metrics
        return {
            "family": f"family {i // 3}" if i else None,
            "class_count": classes,
            "test_majority_rate": round(1.3 / classes, 3),
            "training_time_sec": float(20 * cost[j] + i),
            "learning_curve": curve,
            "replicates": [one],
            "weights": {"id": "planted", "file": None, "sha256": "0" * 64},
        }

    given: dict[str, Any] = {
        "accuracy": accuracy,
        "own": own,
        "name": planted_name,
        "evaluation": EVALUATION,
    }
    return made(tasks, names, **given | changes)


def planted_name(number: int) -> str:
    """A name as configurations have; the last digit says the architecture."""
    kind = ("plain", "regularized", "slow", "strong-decay")[number % 4]
    return f"{ARCHITECTURES[number % 3].lower()}-{kind}-{number // 10}{number % 10}"


def _evaluated(protocol: str, method: str, regret: float, p: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"protocol": protocol, "method": method, "p": p, "holm_p": p}
    for name, value in (("regret_points", regret), ("regret_above_floor_points", regret / 2)):
        row |= {name: value, f"{name}_low": value - 0.4, f"{name}_high": value + 0.5}
    said = "no difference that this table can show" if p else "what the others are compared with"
    return row | {"conclusion": said}


EVALUATION = {
    "rows": [
        _evaluated(protocol, method, regret, p)
        for protocol in ("task", "family")
        for method, regret, p in (
            ("nearest", 1.1, 0.4),
            ("nearest_1", 1.6, 0.5),
            ("global_best", 1.2, None),
            ("random", 3.0, 0.01),
            ("nearest_shuffled", 1.9, 0.2),
        )
    ],
    "notes": [],
    "noise_floor_points": {f"Task{i}": 0.5 for i in range(100)},
}
