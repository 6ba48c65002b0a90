"""Training many heads at once: the heads `heads.train_head` trains, as rows of one product.

Heads that see the same batches stand below each other as one matrix, so that one matrix product
serves them all; what is one number per head elsewhere (learning rate, clipping, ...) is a column
here. The bias is the weight of a feature that is always 1.
"""

import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import pad

from metaprobe.core.errors import UserError
from metaprobe.core.randomness import Draws
from metaprobe.training import head_steps
from metaprobe.training.head_steps import Engine, Tile, build_tile
from metaprobe.training.heads import LabelledFeatures, diverged

try:
    from metaprobe.training import head_kernels
except ImportError:  # numba is an extra
    head_kernels = None  # type: ignore[assignment]

# Rows of one product (heads times classes). More would push the weights out of the cache, fewer
# would read the batch too often.
BLOCK_ROWS = 1000
# Rows whose gradient is computed and applied before the next: it then stays in the L2 cache.
TILE_ROWS = 100
TEST_BATCH = 256

# Which of the two moments the optimiser keeps: the gradients' running sum, and their squares'.
MOMENTS = {
    "Adam": (True, True),
    "AdamW": (True, True),
    "SGD": (True, False),
    "RMSprop": (True, True),
    "Adagrad": (False, True),
}
SHARED = ("optimizer", "batch_size", "dropout_rate", "epochs")
Key = tuple[int, int]


@dataclass(frozen=True)
class TrainedHead:
    """What `heads.train_head` returns of one head, or where its training ran away.

    `weight` (C, D) and `bias` (C,) are None if the head diverged; `learning_curve` then
    ends with the last epoch that was finite. `seconds` is the head's share of its block's training,
    evaluations left out.
    """

    weight: NDArray[np.float32] | None
    bias: NDArray[np.float32] | None
    learning_curve: list[dict[str, float]]
    seconds: float
    divergence: "Divergence | None" = None


@dataclass(frozen=True)
class Divergence:
    """The first loss that was infinite or not a number; without a step it is the test loss."""

    epoch: int
    step: int | None
    loss: float

    @property
    def where(self) -> str:
        """The epoch, and the step if it was in one."""
        return f"epoch {self.epoch}" + (f", step {self.step}" if self.step is not None else "")

    def error(self) -> UserError:
        """The error that `heads.train_head` raises."""
        loss = "test" if self.step is None else "training"
        return diverged(self.where, f"the {loss} loss is {self.loss}")


def train_heads(
    train: LabelledFeatures,
    test: LabelledFeatures,
    class_count: int,
    configurations: Sequence[dict[str, Any]],
    seeds: Sequence[int],
    dataset: str,
    *,
    engine: Engine | None = None,
    device: str | torch.device = "cpu",
) -> dict[Key, TrainedHead]:
    """Train a linear head per configuration and seed; see `iterate_heads`.

    Returns:
        The heads by (index of the configuration, seed), seeds within configurations.
    """
    heads = dict(
        iterate_heads(
            train,
            test,
            class_count,
            configurations,
            seeds,
            dataset,
            engine=engine,
            device=device,
        )
    )
    return {(i, seed): heads[i, seed] for i in range(len(configurations)) for seed in seeds}


def iterate_heads(
    train: LabelledFeatures,
    test: LabelledFeatures,
    class_count: int,
    configurations: Sequence[dict[str, Any]],
    seeds: Sequence[int],
    dataset: str,
    *,
    engine: Engine | None = None,
    device: str | torch.device = "cpu",
) -> Iterator[tuple[Key, TrainedHead]]:
    """Yield the heads block by block as they are trained, in no order to rely on.

    Args:
        train: features (N, D) float32; torch's engine also takes float64.
        configurations: hyperparameters as in `config.Run.configurations`; equal ones are trained
            as often as they stand there.
        engine: what steps the optimisers; numba's kernels if numba and a CPU are there.
        device: where the heads are trained. Random numbers are drawn on the CPU, the same for all.
    """
    device = torch.device(device)
    engine = engine or default_engine(device)
    tested = Tensors.of(test).to(device)
    for seed in seeds:
        for block in blocks(configurations, class_count):
            heads = train_block(
                train,
                tested,
                class_count,
                [configurations[i] for i in block],
                Draws(seed, dataset),
                engine,
                device,
            )
            for i, head in zip(block, heads, strict=True):
                yield (i, seed), head


@dataclass(frozen=True)
class Tensors:
    """Features with a 1 at the end, whose weight is the bias (N, D + 1), and labels (N,) int64."""

    features: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def of(cls, part: LabelledFeatures) -> "Tensors":
        """The same in torch, on the CPU."""
        features = pad(torch.from_numpy(part.features), (0, 1), value=1.0)
        return cls(features, torch.from_numpy(part.labels))

    def to(self, device: torch.device) -> "Tensors":
        """The same on a device."""
        return Tensors(self.features.to(device), self.labels.to(device))


def default_engine(device: torch.device) -> Engine:
    """numba's kernels if they can be had, else torch."""
    if head_kernels is None or device.type != "cpu":
        return head_steps.ENGINE
    return head_kernels.ENGINE


def blocks(configurations: Sequence[dict[str, Any]], class_count: int) -> Iterator[list[int]]:
    """Indices of configurations that are trained together.

    They share the optimiser and what the batches depend on. The blocks do not
    depend on the order of the configurations, so that rounding does not either.
    """
    groups: dict[tuple[Any, ...], list[int]] = {}
    order = sorted(
        range(len(configurations)), key=lambda i: json.dumps(configurations[i], sort_keys=True)
    )
    for i in order:
        chosen = configurations[i]
        shared = tuple(chosen[name] for name in SHARED)
        groups.setdefault(shared, []).append(i)
    size = max(1, BLOCK_ROWS // class_count)
    for group in groups.values():
        yield from (group[start : start + size] for start in range(0, len(group), size))


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Treat numbers below 1e-38 as 0: optimisers' moments decay to them, which is slow."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@denormals_flushed()
def train_block(
    train: LabelledFeatures,
    test: Tensors,
    class_count: int,
    configurations: Sequence[dict[str, Any]],
    draws: Draws,
    engine: Engine,
    device: torch.device,
) -> list[TrainedHead]:
    """Train K heads that differ in nothing of SHARED."""
    weight, bias = draws.initial_head(train.features.shape[1], class_count)
    start = np.concatenate([weight, bias[:, None]], 1).astype(train.features.dtype)
    weights = torch.from_numpy(start).to(device).repeat(len(configurations), 1, 1)  # (K, C, D + 1)
    tiles = build_tiles(weights, configurations)
    curves: list[list[dict[str, float]]] = [[] for _ in configurations]
    divergences: dict[int, Divergence] = {}
    seconds, steps = 0.0, 0
    for epoch in range(1, configurations[0]["epochs"] + 1):
        began = time.perf_counter()
        losses, sizes = train_one_epoch(weights, tiles, train, configurations, draws, engine, steps)
        seconds += time.perf_counter() - began
        steps += len(sizes)
        test_losses, accuracies = evaluate(weights, test)
        for k in range(len(configurations)):
            if k in divergences:
                continue
            if found := find_divergence(epoch, losses[:, k], float(test_losses[k])):
                divergences[k] = found
                continue
            curves[k].append(
                {
                    "epoch": epoch,
                    "train_loss": float(losses[:, k] @ sizes / sizes.sum()),
                    "test_loss": float(test_losses[k]),
                    "test_accuracy": float(accuracies[k]),
                }
            )
        if len(divergences) == len(configurations):
            break
    trained = weights.cpu().numpy()
    return [
        TrainedHead(
            None if k in divergences else np.ascontiguousarray(trained[k, :, :-1]),
            None if k in divergences else trained[k, :, -1].copy(),
            curves[k],
            seconds / len(configurations),
            divergences.get(k),
        )
        for k in range(len(configurations))
    ]


def build_tiles(weights: torch.Tensor, configurations: Sequence[dict[str, Any]]) -> list[Tile]:
    """Whole heads of `weights` (K, C, D + 1), about TILE_ROWS rows at a time, as views."""
    moments = MOMENTS[configurations[0]["optimizer"]]
    size = max(1, TILE_ROWS // weights.shape[1])
    flat = weights.view(len(weights), -1)
    return [
        build_tile(flat[k : k + size], configurations[k : k + size], moments)
        for k in range(0, len(weights), size)
    ]


def train_one_epoch(
    weights: torch.Tensor,
    tiles: Iterable[Tile],
    train: LabelledFeatures,
    configurations: Sequence[dict[str, Any]],
    draws: Draws,
    engine: Engine,
    steps: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One pass over shuffled batches, after `steps` steps of the epochs before.

    Returns:
        The loss of every batch and head (S, K), and the batches' sizes (S,).
    """
    shared = configurations[0]
    update = getattr(engine, shared["optimizer"].lower())
    clipped = any(chosen["grad_clip"] for chosen in configurations)
    smoothing = weights.new_tensor([chosen["label_smoothing"] for chosen in configurations])
    tiles = list(tiles)
    rows = weights.view(-1, weights.shape[2])
    buffer = torch.empty_like(tiles[0].weights)
    batches = draws.batches(len(train.labels), shared["batch_size"])
    losses = []
    for step, batch in enumerate(batches, start=steps + 1):
        seen = draws.dropout(train.features[batch], shared["dropout_rate"])
        tensors = Tensors.of(LabelledFeatures(seen, train.labels[batch])).to(weights.device)
        features, labels = tensors.features, tensors.labels
        logits = (rows @ features.T).view(*weights.shape[:2], len(batch))
        loss, gradient = softmax_gradient(logits, labels, smoothing)
        losses.append(loss)
        start = 0
        for tile in tiles:
            end = start + len(tile.weights)
            gradients = buffer[: end - start]
            torch.mm(
                gradient[start:end].view(-1, len(batch)),
                features,
                out=gradients.view(-1, weights.shape[2]),
            )
            if clipped:
                engine.clip(tile, gradients)
            update(tile, gradients, step)
            start = end
    sizes = np.array([len(batch) for batch in batches], np.float64)
    return torch.stack(losses).double().cpu().numpy(), sizes


def softmax_gradient(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The smoothed cross-entropy of K heads and its derivative by their logits.

    Args:
        logits: (K, C, B): with the batch last, a softmax over few classes is still vector code.
        labels: (B,) int64.
        smoothing: (K,).

    Returns:
        Mean losses (K,) as of torch's `cross_entropy`, and gradients (K, C, B).
    """
    _, class_count, count = logits.shape
    logs = torch.log_softmax(logits, 1)
    index = labels.expand(len(logits), 1, count)
    losses = -logs.gather(1, index).mean((1, 2))
    uniform = -logs.mean((1, 2))
    losses = torch.where(smoothing > 0, losses + smoothing * (uniform - losses), losses)
    gradient = logs.exp_()
    gradient -= (smoothing / class_count)[:, None, None]
    gradient.scatter_add_(1, index, (smoothing - 1)[:, None, None].expand(-1, 1, count))
    return losses, gradient.div_(count)


def evaluate(
    weights: torch.Tensor, part: Tensors
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Plain cross-entropy and accuracy of every head of (K, C, D + 1), without dropout: (K,) each."""
    rows = weights.view(-1, weights.shape[2])
    losses = torch.zeros(len(weights), dtype=torch.float64, device=weights.device)
    correct = torch.zeros_like(losses)
    for start in range(0, len(part.labels), TEST_BATCH):
        features, labels = (
            whole[start : start + TEST_BATCH] for whole in (part.features, part.labels)
        )
        logits = (rows @ features.T).view(*weights.shape[:2], len(labels))
        index = labels.expand(len(weights), 1, len(labels))
        losses -= torch.log_softmax(logits, 1).gather(1, index).double().sum((1, 2))
        correct += (first_maximum(logits) == labels).sum(1)
    count = len(part.labels)
    return (losses / count).cpu().numpy(), (correct / count).cpu().numpy()


def first_maximum(logits: torch.Tensor) -> torch.Tensor:
    """`argmax(1)` of (K, C, B), which torch takes 40 times as long for: (K, B), C if all are NaN."""
    class_count = logits.shape[1]
    classes = torch.arange(class_count, dtype=torch.int32, device=logits.device)[:, None]
    largest = logits == logits.amax(1, keepdim=True)
    return torch.where(largest, classes, class_count).amin(1)


def find_divergence(epoch: int, losses: NDArray[np.float64], test_loss: float) -> Divergence | None:
    """The first of an epoch's losses (S,), or the test loss after it, that is not finite."""
    broken = np.flatnonzero(~np.isfinite(losses))
    if len(broken):
        return Divergence(epoch, int(broken[0]) + 1, float(losses[broken[0]]))
    if not math.isfinite(test_loss):
        return Divergence(epoch, None, test_loss)
    return None
