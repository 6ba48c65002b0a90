"""Training the last layer on cached features, as it would be trained inside the frozen network.

In NumPy, as the start of torch would cost more than the training of most heads, and in double
precision, so that neither the order of a sum nor the number of threads shows in a metric.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.core.errors import UserError
from metaprobe.core.randomness import Draws
from metaprobe.training import metrics
from metaprobe.training.optimizers import OPTIMIZERS, Optimizer
from metaprobe.training.schedules import learning_rates
from metaprobe.training.stopping import Stopping

LARGEST = float(np.finfo(np.float32).max)  # torch, in single precision, would call more infinite

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledFeatures:
    """Features (N, D) and labels (N,) int64 of one part of a subset."""

    features: NDArray[Any]
    labels: NDArray[np.int64]

    def select(self, indices: NDArray[np.int64]) -> "LabelledFeatures":
        """Return the images of these indices."""
        return LabelledFeatures(self.features[indices], self.labels[indices])


class Head:
    """A linear layer: weight (C, D) and bias (C,), views of one vector of parameters."""

    def __init__(self, weight: Doubles, bias: Doubles) -> None:
        self.parameters = np.concatenate([weight.ravel(), bias])
        self.weight = self.parameters[: weight.size].reshape(weight.shape)
        self.bias = self.parameters[weight.size :]


class Trained(NamedTuple):
    """A trained head.

    Attributes:
        head: of the last epoch, or of the one that was kept.
        curve: an entry per epoch that was trained: `epoch` (from 1), `train_loss` (mean over the epoch
            of the loss that was minimised), `test_loss` (plain cross-entropy) and `test_accuracy`; with
            validation images also `validation_loss` and `validation_accuracy`.
        seconds: of training on the wall; evaluations left out.
        cpu_seconds: the same of the processor.
        kept_epoch: the epoch that the head is of.
    """

    head: Head
    curve: list[dict[str, float]]
    seconds: float
    cpu_seconds: float
    kept_epoch: int


def train_head(
    train: LabelledFeatures,
    test: LabelledFeatures,
    class_count: int,
    hyperparameters: dict[str, Any],
    draws: Draws,
    *,
    validation: LabelledFeatures | None = None,
    views: Sequence[LabelledFeatures] = (),
) -> Trained:
    """Train a linear head.

    Args:
        validation: what early stopping is judged by.
        views: augmented images; epoch e is trained on view e modulo their number, from 0. Without
            them all epochs are trained on `train`.

    Raises:
        UserError: the training or the test loss became infinite or not a number.
    """
    recipe = RECIPE_DEFAULTS | hyperparameters
    head = Head(*draws.initial_head(train.features.shape[1], class_count))
    optimizer = OPTIMIZERS[recipe["optimizer"]](head.parameters, recipe)
    epochs, steps = recipe["epochs"], -(-len(train.labels) // recipe["batch_size"])
    rates = learning_rates(
        recipe["schedule"], recipe["learning_rate"], epochs * steps, recipe["warmup_epochs"] * steps
    )
    stopping = Stopping.of(recipe)
    curve: list[dict[str, float]] = []
    kept = head
    seconds = cpu_seconds = 0.0
    for epoch in range(1, epochs + 1):
        seen = train
        if views:
            view = views[(epoch - 1) % len(views)]
            seen = LabelledFeatures(view.features.astype(np.float64), view.labels)
        own_rates = rates[(epoch - 1) * steps : epoch * steps]
        start, cpu_start = time.perf_counter(), time.process_time()
        train_loss = train_one_epoch(head, optimizer, seen, recipe, draws, epoch, own_rates)
        seconds += time.perf_counter() - start
        cpu_seconds += time.process_time() - cpu_start
        tested = evaluate(head, test)
        if not tested["test_loss"] <= LARGEST:
            raise diverged(f"epoch {epoch}", f"the test loss is {tested['test_loss']}")
        point = {"epoch": epoch, "train_loss": train_loss, **tested}
        if validation is not None:
            point |= evaluate(head, validation, "validation")
        curve.append(point)
        if stopping.patience:
            kept_epoch = stopping.kept(curve)
            if kept_epoch == epoch:
                kept = Head(head.weight, head.bias)
            if epoch - kept_epoch >= stopping.patience:
                break
    return Trained(kept, curve, seconds, cpu_seconds, stopping.kept(curve))


@np.errstate(all="ignore")
def train_one_epoch(
    head: Head,
    optimizer: Optimizer,
    train: LabelledFeatures,
    hyperparameters: dict[str, Any],
    draws: Draws,
    epoch: int,
    rates: Doubles,
) -> float:
    """Train one pass over shuffled batches, each at its own rate; return the mean loss per image."""
    total = 0.0
    count = len(train.labels)
    gradient = Head(np.empty_like(head.weight), np.empty_like(head.bias))
    for step, batch in enumerate(draws.batches(count, hyperparameters["batch_size"]), start=1):
        seen = train.select(batch)
        features = draws.dropout(seen.features, hyperparameters["dropout_rate"])
        loss, by_logits = softmax_gradient(
            features @ head.weight.T + head.bias,
            seen.labels,
            hyperparameters["label_smoothing"],
        )
        if not loss <= LARGEST:
            raise diverged(f"epoch {epoch}, step {step}", f"the training loss is {loss}")
        np.matmul(by_logits.T, features, out=gradient.weight)
        by_logits.sum(axis=0, out=gradient.bias)
        if hyperparameters["grad_clip"]:
            clip_norm(gradient.parameters, hyperparameters["grad_clip"])
        optimizer.learning_rate = rates[step - 1]
        optimizer.step(gradient.parameters)
        total += loss * len(batch)
    return total / count


def softmax_gradient(
    logits: Doubles, labels: NDArray[np.int64], smoothing: float
) -> tuple[float, Doubles]:
    """Return the mean loss of torch's smoothed `cross_entropy`, and its gradient by the logits (B, C)."""
    count, class_count = logits.shape
    own = np.arange(count), labels
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -logs[own].mean()
    gradient = np.exp(logs)
    if smoothing:
        loss += smoothing * (-logs.mean() - loss)
        gradient -= smoothing / class_count
    gradient[own] -= 1 - smoothing
    gradient /= count
    return float(loss), gradient


def clip_norm(gradient: Doubles, largest: float) -> None:
    """Shrink a gradient (P,) in place as `torch.nn.utils.clip_grad_norm_` does."""
    norm = math.sqrt(gradient @ gradient)
    gradient *= min(1.0, largest / (norm + 1e-6))


def diverged(where: str, what: str) -> UserError:
    """Return the error of a training that has run away; it must not become a row of the table."""
    advice = "a smaller learning_rate or a grad_clip may help"
    return UserError(f"diverged at {where}: {what}; {advice}")


@np.errstate(all="ignore")
def evaluate(head: Head, split: LabelledFeatures, name: str = "test") -> dict[str, float]:
    """Return plain cross-entropy and accuracy of a head, without dropout: `test_loss`, `test_accuracy`."""
    logits = metrics.logits(split.features, head.weight, head.bias)
    return {
        f"{name}_loss": metrics.cross_entropy(logits, split.labels),
        f"{name}_accuracy": metrics.accuracy(logits, split.labels),
    }
