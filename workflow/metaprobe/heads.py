"""Training the last layer on cached features, as it would be trained inside the frozen network."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from workflow.metaprobe.errors import UserError
from workflow.metaprobe.files import Arrays, read_arrays
from workflow.metaprobe.provenance import versions
from workflow.metaprobe.randomness import derive_seed

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
    "RMSprop": torch.optim.RMSprop,
    "Adagrad": torch.optim.Adagrad,
}
MOMENTUM_OPTIMIZERS = ("SGD", "RMSprop")


@dataclass(frozen=True)
class LabelledFeatures:
    """Features (N, D) float32 and labels (N,) int64 of one part of a subset."""

    features: torch.Tensor
    labels: torch.Tensor


class Draws:
    """The random draws of one experiment: initial head, batches, dropout masks.

    Each comes from a generator of its own, named by (seed, data set, purpose), so that every
    configuration of a data set sees the same batches and, at one dropout rate, the same masks.
    """

    def __init__(self, seed: int, dataset: str) -> None:
        self._initialisation, self._shuffling, self._dropout = (
            torch.Generator().manual_seed(derive_seed(seed, dataset, purpose))
            for purpose in ("head initialisation", "shuffling", "dropout")
        )

    def linear(self, width: int, class_count: int) -> torch.nn.Linear:
        """A linear layer initialised as `torch.nn.Linear` is: U(-1/√D, 1/√D)."""
        head = torch.nn.Linear(width, class_count)
        bound = 1 / math.sqrt(width)
        with torch.no_grad():
            for parameter in (head.weight, head.bias):
                parameter.uniform_(-bound, bound, generator=self._initialisation)
        return head

    def batches(self, count: int, batch_size: int) -> Sequence[torch.Tensor]:
        """The indices of one epoch's shuffled batches; the last may be smaller."""
        return torch.split(torch.randperm(count, generator=self._shuffling), batch_size)

    def dropout(self, features: torch.Tensor, rate: float) -> torch.Tensor:
        """Inverted dropout of the features, as `torch.nn.Dropout` does it in training."""
        if not rate:
            return features
        kept = torch.rand(features.shape, generator=self._dropout) >= rate
        return features * kept / (1 - rate)


def build_optimizer(
    head: torch.nn.Linear, hyperparameters: dict[str, Any]
) -> torch.optim.Optimizer:
    """torch.optim's optimiser of that name; everything not configured is torch's default."""
    name = hyperparameters["optimizer"]
    options = {
        "lr": hyperparameters["learning_rate"],
        "weight_decay": hyperparameters["weight_decay"],
    }
    if name in MOMENTUM_OPTIMIZERS:
        options["momentum"] = hyperparameters["momentum"]
    return OPTIMIZERS[name](head.parameters(), **options)


def train_head(
    train: LabelledFeatures,
    test: LabelledFeatures,
    class_count: int,
    hyperparameters: dict[str, Any],
    draws: Draws,
) -> tuple[torch.nn.Linear, list[dict[str, float]], float]:
    """Train a linear head; return it, its learning curve, and the seconds of training.

    The curve has one entry per epoch: `epoch` (from 1), `train_loss` (mean over the epoch of the
    loss that was minimised), `test_loss` (plain cross-entropy) and `test_accuracy`. The seconds
    leave the evaluations out.

    Raises:
        UserError: the training or the test loss became infinite or not a number.
    """
    head = draws.linear(train.features.shape[1], class_count)
    optimizer = build_optimizer(head, hyperparameters)
    curve = []
    seconds = 0.0
    for epoch in range(1, hyperparameters["epochs"] + 1):
        start = time.perf_counter()
        with denormals_flushed():
            train_loss = train_one_epoch(head, optimizer, train, hyperparameters, draws, epoch)
        seconds += time.perf_counter() - start
        test_loss, test_accuracy = evaluate(head, test)
        if not math.isfinite(test_loss):
            raise diverged(f"epoch {epoch}", f"the test loss is {test_loss}")
        curve.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "test_loss": test_loss,
                "test_accuracy": test_accuracy,
            }
        )
    return head, curve, seconds


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Treat numbers below 1e-38 as 0: optimisers' moments decay to them, which is slow."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def train_one_epoch(
    head: torch.nn.Linear,
    optimizer: torch.optim.Optimizer,
    train: LabelledFeatures,
    hyperparameters: dict[str, Any],
    draws: Draws,
    epoch: int,
) -> float:
    """One pass over shuffled batches; return the mean loss per image."""
    total = 0.0
    count = len(train.labels)
    for step, batch in enumerate(draws.batches(count, hyperparameters["batch_size"]), start=1):
        features = draws.dropout(train.features[batch], hyperparameters["dropout_rate"])
        loss = cross_entropy(
            head(features),
            train.labels[batch],
            label_smoothing=hyperparameters["label_smoothing"],
        )
        if not torch.isfinite(loss):
            raise diverged(f"epoch {epoch}, step {step}", f"the training loss is {loss.item()}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if hyperparameters["grad_clip"]:
            torch.nn.utils.clip_grad_norm_(head.parameters(), hyperparameters["grad_clip"])
        optimizer.step()
        total += loss.item() * len(batch)
    return total / count


def diverged(where: str, what: str) -> UserError:
    """The error of a training that has run away; it must not become a row of the table."""
    advice = "a smaller learning_rate or a grad_clip may help"
    return UserError(f"diverged at {where}: {what}; {advice}")


@torch.inference_mode()
def evaluate(head: torch.nn.Linear, part: LabelledFeatures) -> tuple[float, float]:
    """Plain cross-entropy and accuracy of a head, without dropout."""
    logits = head(part.features)
    loss = cross_entropy(logits, part.labels).item()
    return loss, (logits.argmax(1) == part.labels).double().mean().item()


def train_on_file(
    features_path: str, dataset: str, hyperparameters: dict[str, Any], seed: int
) -> tuple[Arrays, dict[str, Any]]:
    """Train one head on a features file.

    Returns:
        Arrays `weight` (C, D) and `bias` (C,) float32, and facts: learning curve, seconds, digest
        of the features, hyperparameters, seed, versions.
    """
    arrays, facts = read_arrays(features_path)
    train, test = (
        LabelledFeatures(
            torch.from_numpy(arrays[f"{part}_features"]), torch.from_numpy(arrays[f"{part}_labels"])
        )
        for part in ("train", "test")
    )
    draws = Draws(seed, dataset)
    head, curve, seconds = train_head(train, test, facts["class_count"], hyperparameters, draws)
    parameters = {"weight": head.weight.detach().numpy(), "bias": head.bias.detach().numpy()}
    return parameters, {
        "learning_curve": curve,
        "seconds": seconds,
        "features_sha256": facts["features_sha256"],
        "hyperparameters": hyperparameters,
        "seed": seed,
        "versions": versions("torch", "numpy"),
    }
