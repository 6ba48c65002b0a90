"""Training the last layer on cached features, as it would be trained inside the frozen network.

In NumPy, as the start of torch would cost more than the training of most heads, and in double
precision, so that neither the order of a sum nor the number of threads shows in a metric.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from metaprobe.core.errors import UserError
from metaprobe.core.files import Arrays, read_arrays
from metaprobe.core.jobs import peak_memory_gb
from metaprobe.core.provenance import versions
from metaprobe.core.randomness import Draws
from metaprobe.training import metrics
from metaprobe.training.optimizers import OPTIMIZERS, Optimizer

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


def train_head(
    train: LabelledFeatures,
    test: LabelledFeatures,
    class_count: int,
    hyperparameters: dict[str, Any],
    draws: Draws,
) -> tuple[Head, list[dict[str, float]], float]:
    """Train a linear head; return it, its learning curve, and the seconds of training.

    The curve has one entry per epoch: `epoch` (from 1), `train_loss` (mean over the epoch of the
    loss that was minimised), `test_loss` (plain cross-entropy) and `test_accuracy`. The seconds
    leave the evaluations out.

    Raises:
        UserError: the training or the test loss became infinite or not a number.
    """
    head = Head(*draws.initial_head(train.features.shape[1], class_count))
    optimizer = OPTIMIZERS[hyperparameters["optimizer"]](head.parameters, hyperparameters)
    curve = []
    seconds = 0.0
    for epoch in range(1, hyperparameters["epochs"] + 1):
        start = time.perf_counter()
        train_loss = train_one_epoch(head, optimizer, train, hyperparameters, draws, epoch)
        seconds += time.perf_counter() - start
        tested = evaluate(head, test)
        if not tested["test_loss"] <= LARGEST:
            raise diverged(f"epoch {epoch}", f"the test loss is {tested['test_loss']}")
        curve.append({"epoch": epoch, "train_loss": train_loss, **tested})
    return head, curve, seconds


@np.errstate(all="ignore")
def train_one_epoch(
    head: Head,
    optimizer: Optimizer,
    train: LabelledFeatures,
    hyperparameters: dict[str, Any],
    draws: Draws,
    epoch: int,
) -> float:
    """Train one pass over shuffled batches; return the mean loss per image."""
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
def evaluate(head: Head, test: LabelledFeatures) -> dict[str, float]:
    """Return plain cross-entropy and accuracy of a head, without dropout."""
    logits = metrics.logits(test.features, head.weight, head.bias)
    return {
        "test_loss": metrics.cross_entropy(logits, test.labels),
        "test_accuracy": metrics.accuracy(logits, test.labels),
    }


def train_on_file(
    features_path: str,
    dataset: str,
    hyperparameters: dict[str, Any],
    seed: int,
    replicates: int = 1,
) -> tuple[Arrays, dict[str, Any]]:
    """Train the heads of one experiment on a features file, on one thread.

    Args:
        replicates: number R of heads; they have the seeds `seed`, `seed + 1`, ..., of which come
            the initial head, the batches and the dropout masks.

    Returns:
        Arrays `weight` (R, C, D) and `bias` (R, C) float64, and metadata: of each of the `replicates`
        its seed, learning curve and seconds; digest of the features, hyperparameters, seed, peak
        memory, versions.

    Raises:
        UserError: a replicate diverged.
    """
    arrays, metadata = read_arrays(features_path)
    train, test = (
        LabelledFeatures(arrays[f"{split}_features"].astype(np.float64), arrays[f"{split}_labels"])
        for split in ("train", "test")
    )
    heads, trained = [], []
    with threadpool_limits(1):
        for own_seed in range(seed, seed + replicates):
            draws = Draws(own_seed, dataset)
            head, curve, seconds = train_head(
                train, test, metadata["class_count"], hyperparameters, draws
            )
            heads.append(head)
            trained.append({"seed": own_seed, "learning_curve": curve, "seconds": seconds})
    return {
        "weight": np.stack([head.weight for head in heads]),
        "bias": np.stack([head.bias for head in heads]),
    }, {
        "replicates": trained,
        "features_sha256": metadata["features_sha256"],
        "hyperparameters": hyperparameters,
        "seed": seed,
        "peak_memory_gb": peak_memory_gb(),
        "versions": versions("numpy"),
    }
