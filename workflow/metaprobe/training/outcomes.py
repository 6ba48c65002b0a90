"""What comes out of many configurations on one task: each head's metrics and learning curve."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.randomness import generator
from metaprobe.training import many_heads, metrics
from metaprobe.training.heads import LabelledFeatures
from metaprobe.training.many_heads import TrainedHead
from metaprobe.training.stopping import Stopping

CURVES = ("train_loss", "test_loss", "test_accuracy", "validation_loss", "validation_accuracy")
CURVE_END = "epoch_validation_loss"
SAME_IMAGES = 2  # test images that a second precision may move without being called another result
LOGITS_COLUMNS = 1000  # heads times classes of one product
Configuration = dict[str, Any]
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What all heads of one data set and architecture have in common."""

    task_id: str
    class_count: int
    train: LabelledFeatures
    test: LabelledFeatures
    validation: LabelledFeatures | None = None


def train_and_measure(
    task: Task,
    configurations: Sequence[Configuration],
    seed: int,
    validation_folds: int,
    second_precision: bool = False,
) -> list[Outcome]:
    """Train a head per configuration and measure it as `measurement.measure` does.

    Of a head that diverged nothing is measured, and `diverged` says where.
    """
    heads = many_heads.train_heads(
        task.train,
        task.test,
        task.class_count,
        configurations,
        seed,
        task.task_id,
        task.validation,
    )
    moved = _moved(task, heads, configurations, seed) if second_precision else None
    train_logits, test_logits = (logits_of_each(heads, split) for split in (task.train, task.test))
    validated = cross_validate(task, configurations, seed, validation_folds)
    outcomes = []
    for number, (head, validation) in enumerate(zip(heads, validated, strict=True)):
        outcome: Outcome = {"seconds": head.seconds}
        for name in CURVES:
            if name.startswith("validation") and task.validation is None:
                continue
            outcome[f"epoch_{name}"] = [point[name] for point in head.learning_curve]
        if head.diverged:
            outcome["diverged"] = head.diverged
        else:
            test = next(test_logits)
            outcome["train_accuracy"] = metrics.accuracy(next(train_logits), task.train.labels)
            outcome["test_accuracy"] = metrics.accuracy(test, task.test.labels)
            outcome["test_loss"] = metrics.cross_entropy(test, task.test.labels)
            if task.validation is not None:
                last = head.learning_curve[-1]
                outcome |= {name: last[name] for name in CURVES[-2:]}
            outcome |= validation
        if moved is not None:
            outcome["reproducible"] = not moved[number]
        outcomes.append(outcome)
    return outcomes


def _moved(
    task: Task, heads: Sequence[TrainedHead], configurations: Sequence[Configuration], seed: int
) -> list[bool]:
    """Return which heads end elsewhere in double precision, by more than SAME_IMAGES test images."""
    exact = LabelledFeatures(task.train.features.astype(np.float64), task.train.labels)
    tested = LabelledFeatures(task.test.features.astype(np.float64), task.test.labels)
    again = many_heads.train_heads(
        exact, tested, task.class_count, configurations, seed, task.task_id
    )
    images = len(task.test.labels)

    def apart(one: TrainedHead, other: TrainedHead) -> bool:
        if one.diverged or other.diverged:
            return bool(one.diverged) != bool(other.diverged)
        first, second = (head.learning_curve[-1]["test_accuracy"] for head in (one, other))
        return round(abs(first - second) * images) > SAME_IMAGES

    return [apart(one, other) for one, other in zip(heads, again, strict=True)]


def replayed(outcome: Outcome, stopping: Stopping, epochs: int = 0) -> Outcome:
    """Return the outcome of a training that stops early, read off the curves of all its epochs.

    Everything is that of the kept epoch; training accuracy is not known unless that is the last one.
    A training that diverged after it would have stopped has not diverged. What folds have measured is
    left alone.

    Args:
        epochs: of the whole training, which its seconds are of.
    """
    if not stopping.patience:
        return outcome
    curve = outcome[f"epoch_validation_{'accuracy' if stopping.accuracy else 'loss'}"]
    fell_out = outcome.get("diverged", "").startswith("epoch")  # in training, not in a fold
    stopped, best = stopping.replay(curve) if curve else (0, 0)
    if fell_out and stopped - best < stopping.patience:
        return outcome  # it diverged before it would have stopped
    folds = "validation_loss" in outcome and outcome["validation_loss"] != outcome[CURVE_END][-1]
    names = CURVES[1:3] if folds else CURVES[1:]
    chosen = {name: outcome[f"epoch_{name}"][best - 1] for name in names}
    chosen |= {"best_epoch": best, "stopped_epoch": stopped}
    chosen["seconds"] = outcome["seconds"] * stopped / (epochs or len(curve))
    if fell_out:
        outcome = {k: value for k, value in outcome.items() if k != "diverged"}
    if best < len(curve) or fell_out:
        chosen["train_accuracy"] = None
    return outcome | chosen


def cross_validate(
    task: Task, configurations: Sequence[Configuration], seed: int, fold_count: int
) -> list[Outcome]:
    """Return accuracy and loss per configuration over the training images, each held out once.

    A configuration that diverged in a fold has neither, and `diverged` says where. Without folds
    there is nothing to return of any.
    """
    if not fold_count:
        return [{} for _ in configurations]
    images = np.arange(len(task.train.labels))
    shuffled = generator(seed, task.task_id, "validation folds").permutation(images)
    accuracies, losses = np.zeros((2, len(configurations)))
    diverged: dict[int, str] = {}
    for number, fold in enumerate(np.array_split(shuffled, fold_count), start=1):
        held_out, rest = (task.train.select(i) for i in (fold, np.setdiff1d(images, fold)))
        heads = many_heads.train_heads(
            rest, held_out, task.class_count, configurations, seed, task.task_id
        )
        fold_logits = logits_of_each(heads, held_out)
        share = len(fold) / len(images)
        for k, head in enumerate(heads):
            if head.diverged:
                diverged.setdefault(k, f"fold {number}, {head.diverged}")
                continue
            logits = next(fold_logits)
            accuracies[k] += share * metrics.accuracy(logits, held_out.labels)
            losses[k] += share * metrics.cross_entropy(logits, held_out.labels)
    return [
        {"diverged": diverged[k]}
        if k in diverged
        else {"validation_accuracy": float(accuracies[k]), "validation_loss": float(losses[k])}
        for k in range(len(configurations))
    ]


def logits_of_each(
    heads: Sequence[TrainedHead], split: LabelledFeatures
) -> Iterator[NDArray[np.float64]]:
    """Return `metrics.logits` (N, C) of each head that did not diverge, many heads in one product."""
    trained = [
        (head.weight, head.bias)
        for head in heads
        if head.weight is not None and head.bias is not None
    ]
    if not trained:
        return
    class_count = len(trained[0][1])
    size = max(1, LOGITS_COLUMNS // class_count)
    for start in range(0, len(trained), size):
        weights, biases = zip(*trained[start : start + size], strict=True)
        together = metrics.logits(split.features, np.concatenate(weights), np.concatenate(biases))
        yield from np.split(together, len(weights), axis=1)
