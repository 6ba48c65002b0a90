"""Training many heads at once: the heads `heads.train_head` trains, as rows of one product.

Heads that see the same batches stand below each other as one matrix, so that one matrix product
serves them all; what is one number per head elsewhere (learning rate, clipping, ...) is a column
here. The bias is the weight of a feature that is always 1.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import pad

from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.core.randomness import Draws
from metaprobe.training.heads import LabelledFeatures
from metaprobe.training.optimizers import OPTIMIZERS, Arithmetic, Factor, Optimizer
from metaprobe.training.schedules import learning_rates

ENGINE = "torch"
# Rows of one product (heads times classes). More would push the weights out of the cache, fewer
# would read the batch too often.
BLOCK_ROWS = 1000
# Images whose logits of all heads are computed at once: at BLOCK_ROWS rows they take 1 MB.
TEST_BATCH = 256
CLIP_EPSILON = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm

SHARED = ("optimizer", "batch_size", "dropout_rate", "epochs", "schedule", "warmup_epochs")
TIMED_STEPS = 20  # of one head alone: what its training would cost by itself
Tensors = tuple[torch.Tensor, torch.Tensor]
COLUMNS = ("learning_rate", "weight_decay", "momentum", "label_smoothing", "grad_clip")


@dataclass(frozen=True)
class TrainedHead:
    """What `heads.train_head` returns of one head, or where its training ran away.

    `weight` (C, D) and `bias` (C,) are None if the head diverged; `learning_curve` then ends with the
    last epoch that was finite, and `diverged` is the epoch, and the step if it was in one, of the
    first loss that was not. `seconds` are CPU seconds of its training alone, evaluations left out, from
    the first TIMED_STEPS steps of one head of its block.
    """

    weight: NDArray[np.float32] | None
    bias: NDArray[np.float32] | None
    learning_curve: list[dict[str, float]]
    seconds: float
    diverged: str | None = None


def train_heads(
    train: LabelledFeatures,
    test: LabelledFeatures,
    class_count: int,
    configurations: Sequence[dict[str, Any]],
    seed: int,
    dataset: str,
    validation: LabelledFeatures | None = None,
) -> list[TrainedHead]:
    """Train a linear head per configuration.

    Args:
        train: features (N, D) float32, or float64, in which the heads are then trained.
        configurations: hyperparameters as in `config.Run.configurations`; equal ones are trained
            as often as they stand there.
        validation: images whose loss and accuracy are in the learning curves, too.
    """
    configurations = [RECIPE_DEFAULTS | one for one in configurations]
    judged = {"test": tensors(test)}
    if validation is not None:
        judged["validation"] = tensors(validation)
    heads: dict[int, TrainedHead] = {}
    for block in blocks(configurations, class_count):
        chosen = [configurations[i] for i in block]
        trained = train_block(train, judged, class_count, chosen, seed, dataset)
        heads |= dict(zip(block, trained, strict=True))
    return [heads[i] for i in range(len(configurations))]


def tensors(split: LabelledFeatures) -> Tensors:
    """Return features with a 1 at the end, whose weight is the bias (N, D + 1), and labels (N,) int64."""
    features = pad(torch.from_numpy(split.features), (0, 1), value=1.0)
    return features, torch.from_numpy(split.labels)


def blocks(configurations: Sequence[dict[str, Any]], class_count: int) -> Iterator[list[int]]:
    """Return indices of configurations that are trained together.

    They share the optimiser and what the batches depend on. The blocks do not
    depend on the order of the configurations, so that rounding does not either.
    """
    groups: dict[tuple[Any, ...], list[int]] = {}
    texts = [json.dumps(configuration, sort_keys=True) for configuration in configurations]
    for i in sorted(range(len(texts)), key=texts.__getitem__):
        whole = RECIPE_DEFAULTS | configurations[i]
        groups.setdefault(tuple(whole[name] for name in SHARED), []).append(i)
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
    judged: Mapping[str, Tensors],
    class_count: int,
    configurations: Sequence[dict[str, Any]],
    seed: int,
    dataset: str,
) -> list[TrainedHead]:
    """Train K heads that differ in nothing of SHARED.

    Args:
        judged: `test`, and `validation` if there is any.
    """
    shared = configurations[0]
    steps = -(-len(train.labels) // shared["batch_size"])
    seconds = steps * shared["epochs"] * _seconds_of_a_step(train, class_count, shared)
    draws = Draws(seed, dataset)
    weights, columns, optimizer = _begin(train, class_count, configurations, draws)
    rates = learning_rates(
        shared["schedule"],
        np.array([[one["learning_rate"]] for one in configurations]),
        shared["epochs"] * steps,
        shared["warmup_epochs"] * steps,
    )
    curves: list[list[dict[str, float]]] = [[] for _ in configurations]
    diverged: dict[int, str] = {}
    for epoch in range(1, shared["epochs"] + 1):
        own_rates = rates[(epoch - 1) * steps : epoch * steps]
        losses, sizes = train_one_epoch(
            weights, optimizer, columns, train, shared, draws, own_rates
        )
        measured = {name: evaluate(weights, split) for name, split in judged.items()}
        for k in range(len(configurations)):
            if k in diverged:
                continue
            if found := find_divergence(epoch, losses[:, k], measured["test"][0][k]):
                diverged[k] = found
                continue
            point = {"epoch": epoch, "train_loss": float(losses[:, k] @ sizes / sizes.sum())}
            for name, (split_losses, accuracies) in measured.items():
                point[f"{name}_loss"] = float(split_losses[k])
                point[f"{name}_accuracy"] = float(accuracies[k])
            curves[k].append(point)
        if len(diverged) == len(configurations):
            break
    trained = weights.numpy()
    return [
        TrainedHead(
            None if k in diverged else np.ascontiguousarray(trained[k, :, :-1]),
            None if k in diverged else trained[k, :, -1].copy(),
            curves[k],
            seconds,
            diverged.get(k),
        )
        for k in range(len(configurations))
    ]


def _begin(
    train: LabelledFeatures,
    class_count: int,
    configurations: Sequence[dict[str, Any]],
    draws: Draws,
) -> tuple[torch.Tensor, dict[str, torch.Tensor], Optimizer]:
    """Return initial weights (K, C, D + 1), COLUMNS as (K, 1) each, and the optimiser."""
    weight, bias = draws.initial_head(train.features.shape[1], class_count)
    start = np.concatenate([weight, bias[:, None]], 1).astype(train.features.dtype)
    weights = torch.from_numpy(start).repeat(len(configurations), 1, 1)
    columns = {
        name: weights.new_tensor([[one[name]] for one in configurations]) for name in COLUMNS
    }
    optimizer = OPTIMIZERS[configurations[0]["optimizer"]](
        weights.view(len(weights), -1), columns, TORCH
    )
    return weights, columns, optimizer


def _seconds_of_a_step(
    train: LabelledFeatures, class_count: int, configuration: dict[str, Any]
) -> float:
    """Return the CPU seconds of one step of one head by itself."""
    size = configuration["batch_size"]
    few = train.select(np.arange(min(len(train.labels), TIMED_STEPS * size)))
    steps = -(-len(few.labels) // size)
    draws = Draws(0, "timing")
    weights, columns, optimizer = _begin(few, class_count, [configuration], draws)
    rates = np.zeros((steps, 1, 1))
    start = time.process_time()
    train_one_epoch(weights, optimizer, columns, few, configuration, draws, rates)
    return float((time.process_time() - start) / steps)


def _add(target: torch.Tensor, values: torch.Tensor, factor: Factor) -> None:
    if isinstance(factor, torch.Tensor):
        target.addcmul_(values, factor)
    else:
        target.add_(values, alpha=factor)


def _add_square(target: torch.Tensor, values: torch.Tensor, factor: float) -> None:
    target.addcmul_(values, values, value=factor)


TORCH = Arithmetic(torch, _add, _add_square)


def train_one_epoch(
    weights: torch.Tensor,
    optimizer: Optimizer,
    columns: dict[str, torch.Tensor],
    train: LabelledFeatures,
    shared: dict[str, Any],
    draws: Draws,
    rates: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Train one pass over shuffled batches.

    Args:
        weights: (K, C, D + 1), which the optimiser changes.
        columns: each of COLUMNS as (K, 1).
        shared: the hyperparameters of SHARED.
        rates: (S, K, 1) learning rates of each batch and head.

    Returns:
        The loss of every batch and head (S, K), and the batches' sizes (S,).
    """
    clipped = bool(columns["grad_clip"].any())
    rows = weights.view(-1, weights.shape[2])
    gradient = torch.empty_like(optimizer.parameters)
    batches = draws.batches(len(train.labels), shared["batch_size"])
    losses = []
    for batch, rate in zip(batches, rates, strict=True):
        seen = draws.dropout(train.features[batch], shared["dropout_rate"])
        features, labels = tensors(LabelledFeatures(seen, train.labels[batch]))
        logits = (rows @ features.T).view(*weights.shape[:2], len(batch))
        loss, by_logits = softmax_gradient(logits, labels, columns["label_smoothing"].flatten())
        losses.append(loss)
        torch.mm(by_logits.view(len(rows), -1), features, out=gradient.view(*rows.shape))
        if clipped:
            clip_norms(gradient, columns["grad_clip"])
        optimizer.learning_rate = weights.new_tensor(rate)
        optimizer.step(gradient)
    sizes = np.array([len(batch) for batch in batches], np.float64)
    return torch.stack(losses).double().numpy(), sizes


def clip_norms(gradient: torch.Tensor, limits: torch.Tensor) -> None:
    """Shrink each head's gradient (K, P) in place as `heads.clip_norm` does; a limit of 0 is none."""
    norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
    factors = (limits / (norms + CLIP_EPSILON)).clamp(max=1)
    gradient *= torch.where(limits > 0, factors, 1)


def softmax_gradient(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the smoothed cross-entropy of K heads and its derivative by their logits.

    Args:
        logits: (K, C, B): with the batch last, a softmax over few classes is still vector code.
        labels, smoothing: (B,) int64 and (K,).

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
    weights: torch.Tensor, split: Tensors
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return plain cross-entropy and accuracy of every head of (K, C, D + 1), without dropout: (K,) each."""
    rows = weights.view(-1, weights.shape[2])
    losses = torch.zeros(len(weights), dtype=torch.float64)
    correct = torch.zeros_like(losses)
    for features, labels in zip(*(torch.split(whole, TEST_BATCH) for whole in split), strict=True):
        logits = (rows @ features.T).view(*weights.shape[:2], len(labels))
        index = labels.expand(len(weights), 1, len(labels))
        losses -= torch.log_softmax(logits, 1).gather(1, index).double().sum((1, 2))
        correct += (first_maximum(logits) == labels).sum(1)
    count = len(split[1])
    return (losses / count).numpy(), (correct / count).numpy()


def first_maximum(logits: torch.Tensor) -> torch.Tensor:
    """Return `argmax(1)` of (K, C, B), which torch takes 40 times as long for: (K, B), C if all are NaN."""
    class_count = logits.shape[1]
    classes = torch.arange(class_count, dtype=torch.int32)[:, None]
    largest = logits == logits.amax(1, keepdim=True)
    return torch.where(largest, classes, class_count).amin(1)


def find_divergence(epoch: int, losses: NDArray[np.float64], test_loss: float) -> str | None:
    """Return where the first of an epoch's losses (S,) is not finite, or its test loss; None if all are."""
    if np.isfinite(losses).all():
        return None if np.isfinite(test_loss) else f"epoch {epoch}"
    return f"epoch {epoch}, step {np.isfinite(losses).argmin() + 1}"
