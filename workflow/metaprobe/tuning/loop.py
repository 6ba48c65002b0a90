"""Training the upper part of a network and its head, from cached activations: torch's own optimisers
and autograd, in the shape of torchvision's reference scripts.

To be imported where it is used, as it imports torch.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from metaprobe.config.conditions import optimizers_with
from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.core.randomness import Draws
from metaprobe.training import metrics
from metaprobe.training.heads import LARGEST, diverged
from metaprobe.training.schedules import learning_rates
from metaprobe.training.stopping import Stopping
from metaprobe.tuning.blocks import depths

EVALUATED = 64  # images at once, without gradients
State = dict[str, Any]
Keep = Callable[[State], None]


@dataclass(frozen=True)
class Images:
    """Cached activations (N, ...) of images, and their labels (N,)."""

    activations: NDArray[Any]
    labels: NDArray[np.int64]
    chosen: NDArray[np.int64]  # the places that count, of both

    def __len__(self) -> int:
        return len(self.chosen)

    def batch(self, places: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return activations in single precision, or pixels as they are, and labels."""
        index = self.chosen[places]
        array = np.ascontiguousarray(self.activations[index])
        if array.dtype != np.uint8:
            array = array.astype(np.float32)
        return torch.from_numpy(array), torch.from_numpy(self.labels[index])


@dataclass(frozen=True)
class Split:
    """What is trained on, judged and measured, as `training.material.Material` has it of features."""

    train: Images
    test: Images
    validation: Images | None = None
    views: Sequence[Images] = ()


@dataclass
class Progress:
    """How far a training is: what is saved after every epoch."""

    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    kept: State | None = None


class Network(torch.nn.Module):
    """The upper part of a backbone, (N, ...) to (N, D), and a head on it."""

    def __init__(
        self,
        upper: torch.nn.Module,
        blocks: Sequence[str],
        width: int,
        class_count: int,
        draws: Draws,
    ) -> None:
        super().__init__()
        self.upper, self.blocks = upper, tuple(blocks)
        self.head = torch.nn.Linear(width, class_count)
        weight, bias = draws.initial_head(width, class_count)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        """Return logits (N, C)."""
        logits: torch.Tensor = self.head(self.upper(activations))
        return logits


def tune(
    network: Network,
    split: Split,
    hyperparameters: dict[str, Any],
    draws: Draws,
    device: torch.device,
    saved: State | None = None,
    keep: Keep = lambda state: None,
) -> Progress:
    """Train a network in place; its weights are then those of the last epoch, or of the best.

    Args:
        hyperparameters: of a configuration whose `trainable` is not the head alone.
        draws: whose initial head the network has.
        saved: what `keep` was given after the last whole epoch of a training that was interrupted.
        keep: is given everything that is needed to go on, after each epoch.

    Raises:
        UserError: the training or the test loss became infinite or not a number.
    """
    recipe = RECIPE_DEFAULTS | hyperparameters
    network.to(device).eval()
    tuned = trained_parameters(network, recipe["trainable"])
    groups = parameter_groups(network, tuned, recipe)
    optimizer = torch_optimizer(groups, recipe)
    steps = math.ceil(len(split.train) / recipe["batch_size"])
    bases = np.array([group["lr"] for group in optimizer.param_groups])
    rates = learning_rates(
        recipe["schedule"], bases, recipe["epochs"] * steps, recipe["warmup_epochs"] * steps
    )
    stopping = Stopping.of(recipe)
    progress = Progress()
    if saved is not None:
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        progress = Progress(**saved["progress"])
    width = network.head.in_features
    for epoch in range(1, recipe["epochs"] + 1):
        batches = draws.batches(len(split.train), recipe["batch_size"])
        masks = list(_masks(draws, batches, width, recipe["dropout_rate"]))
        if epoch <= len(progress.curve):
            continue  # done before an interruption; its draws are drawn all the same
        if _has_stopped(stopping, progress.curve):
            break
        seen = split.views[(epoch - 1) % len(split.views)] if split.views else split.train
        below = tuned if epoch > recipe["head_epochs"] else []
        start, cpu_start = time.perf_counter(), time.process_time()
        loss = _one_epoch(
            network,
            optimizer,
            seen,
            batches,
            masks,
            rates[(epoch - 1) * steps :],
            below,
            recipe,
            epoch,
        )
        progress.seconds += time.perf_counter() - start
        progress.cpu_seconds += time.process_time() - cpu_start
        point = {
            "epoch": epoch,
            "train_loss": loss,
            **evaluate(network, split.test, "test", device),
        }
        if not point["test_loss"] <= LARGEST:
            raise diverged(f"epoch {epoch}", f"the test loss is {point['test_loss']}")
        if split.validation is not None:
            point |= evaluate(network, split.validation, "validation", device)
        progress.curve.append(point)
        if stopping.patience and stopping.kept(progress.curve) == epoch:
            progress.kept = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
        keep(state | {"progress": vars(progress)})
    if progress.kept is not None:
        network.load_state_dict(progress.kept)
    return progress


def _has_stopped(stopping: Stopping, curve: list[dict[str, float]]) -> bool:
    patience = stopping.patience
    return bool(patience and curve) and len(curve) - stopping.kept(curve) >= patience


def trained_parameters(network: Network, trainable: str) -> list[tuple[str, torch.nn.Parameter]]:
    """Return the parameters below the head that are trained, by their names in the backbone."""
    return [
        (name, parameter)
        for name, parameter in network.upper.named_parameters()
        if trainable != "bias" or name.endswith("bias")
    ]


def parameter_groups(
    network: Network, tuned: Sequence[tuple[str, torch.nn.Parameter]], recipe: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the head's parameters, and those below in groups of one learning rate each."""
    base = recipe["backbone_learning_rate"] or recipe["learning_rate"]
    found = depths([name for name, _ in tuned], network.blocks)
    groups: dict[int, list[torch.nn.Parameter]] = {}
    for name, parameter in tuned:
        groups.setdefault(found[name], []).append(parameter)
    below = [
        {"params": parameters, "lr": base * recipe["layer_decay"] ** depth}
        for depth, parameters in sorted(groups.items())
    ]
    return [{"params": list(network.head.parameters()), "lr": recipe["learning_rate"]}, *below]


def torch_optimizer(groups: list[dict[str, Any]], recipe: dict[str, Any]) -> torch.optim.Optimizer:
    """Return the optimiser of `torch.optim` that a configuration names."""
    options = {"lr": recipe["learning_rate"], "weight_decay": recipe["weight_decay"]}
    if recipe["optimizer"] in optimizers_with("momentum"):
        options["momentum"] = recipe["momentum"]
    optimizer: torch.optim.Optimizer = getattr(torch.optim, recipe["optimizer"])(groups, **options)
    return optimizer


def _masks(
    draws: Draws, batches: Sequence[NDArray[np.int64]], width: int, rate: float
) -> Iterator[NDArray[np.float32] | None]:
    """Yield what the features of each batch are multiplied by, as `Draws.dropout` draws it."""
    for batch in batches:
        yield draws.dropout(np.ones((len(batch), width), np.float32), rate) if rate else None


def _one_epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    seen: Images,
    batches: Sequence[NDArray[np.int64]],
    masks: Sequence[NDArray[np.float32] | None],
    rates: NDArray[np.float64],
    below: Sequence[tuple[str, torch.nn.Parameter]],
    recipe: dict[str, Any],
    epoch: int,
) -> float:
    """Train one pass; return the mean loss per image."""
    device = network.head.weight.device
    parameters = [*network.head.parameters(), *(one for _, one in below)]
    chosen = set(map(id, parameters))
    for one in network.parameters():
        one.requires_grad_(id(one) in chosen)
    if below and recipe["batchnorm"] == "train":
        for module in network.upper.modules():
            if isinstance(module, _BatchNorm):
                module.train()
    total = 0.0
    for step, (places, mask) in enumerate(zip(batches, masks, strict=True), start=1):
        activations, labels = (one.to(device) for one in seen.batch(places))
        for group, rate in zip(optimizer.param_groups, rates[step - 1], strict=True):
            group["lr"] = float(rate)
        optimizer.zero_grad(set_to_none=True)
        with torch.set_grad_enabled(bool(below)):
            features = network.upper(activations)
        if mask is not None:
            features = features * torch.from_numpy(mask).to(device)
        loss = cross_entropy(
            network.head(features), labels, label_smoothing=recipe["label_smoothing"]
        )
        if not loss.item() <= LARGEST:
            raise diverged(f"epoch {epoch}, step {step}", f"the training loss is {loss.item()}")
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe["grad_clip"]:
            torch.nn.utils.clip_grad_norm_(parameters, recipe["grad_clip"])
        optimizer.step()
        total += loss.item() * len(places)
    network.eval()
    return total / len(seen)


def logits_of(network: Network, images: Images, device: torch.device) -> NDArray[np.float64]:
    """Return the logits of images (N, C), computed in single precision."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), EVALUATED):
            places = np.arange(start, min(start + EVALUATED, len(images)))
            activations, _ = images.batch(places)
            found.append(network(activations.to(device)).cpu().double().numpy())
    return np.concatenate(found)


def evaluate(network: Network, images: Images, name: str, device: torch.device) -> dict[str, float]:
    """Return plain cross-entropy and accuracy: `test_loss`, `test_accuracy`."""
    logits, labels = logits_of(network, images, device), images.labels[images.chosen]
    return {
        f"{name}_loss": metrics.cross_entropy(logits, labels),
        f"{name}_accuracy": metrics.accuracy(logits, labels),
    }
