"""One step of torch.optim for many heads at once, each with options of its own, in torch.

This is the reference of `head_kernels`, and what runs without numba and on a GPU. The formulas are
those of torch.optim's single-tensor implementations with their default options; numbers that are
one per head are computed in float64, as torch.optim computes them in Python.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

ADAM_BETAS = 0.9, 0.999
ADAM_EPSILON = 1e-8
RMSPROP_ALPHA = 0.99
RMSPROP_EPSILON = 1e-8
ADAGRAD_EPSILON = 1e-10
CLIP_EPSILON = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm


@dataclass(frozen=True)
class Tile:
    """K heads of P parameters, the optimiser's state of them, and their options.

    `weights`, `first` and `second` are (K, P), `first` and `second` empty (K, 0) if unused. The
    options are (K, 1) float64; a `grad_clip` of 0 clips nothing.
    """

    weights: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    learning_rate: torch.Tensor
    weight_decay: torch.Tensor
    momentum: torch.Tensor
    grad_clip: torch.Tensor


def build_tile(
    weights: torch.Tensor, configurations: Sequence[dict[str, Any]], moments: tuple[bool, bool]
) -> Tile:
    """The tile of `weights` (K, P), with as many moments as the optimiser keeps, all 0."""
    first, second = (torch.zeros_like(weights[:, : None if kept else 0]) for kept in moments)
    options = (
        torch.tensor([[c[name]] for c in configurations], dtype=torch.float64).to(weights.device)
        for name in ("learning_rate", "weight_decay", "momentum", "grad_clip")
    )
    return Tile(weights, first, second, *options)


def clip(tile: Tile, gradients: torch.Tensor) -> None:
    """Scale each head's gradient (K, P) down to its limit, as `clip_grad_norm_` does, in place."""
    norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    limits = tile.grad_clip.to(gradients.dtype)
    factors = (limits / (norms + CLIP_EPSILON)).clamp(max=1)
    gradients *= torch.where(limits > 0, factors, 1)


def add_decay(tile: Tile, gradients: torch.Tensor) -> None:
    """Add the weight decay to the gradients (K, P), in place."""
    gradients.addcmul_(tile.weights, tile.weight_decay.to(gradients.dtype))


def adam(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """Adam; `step` counts from 1."""
    add_decay(tile, gradients)
    adapt(tile, gradients, step)


def adamw(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """Adam with the weight decay apart from the gradient."""
    tile.weights.mul_((1 - tile.learning_rate * tile.weight_decay).to(gradients.dtype))
    adapt(tile, gradients, step)


def adapt(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """What Adam and AdamW share."""
    beta1, beta2 = ADAM_BETAS
    dtype = gradients.dtype
    tile.first.lerp_(gradients, 1 - beta1)
    tile.second.mul_(beta2).addcmul_(gradients, gradients, value=1 - beta2)
    step_size = tile.learning_rate / (1 - beta1**step)
    root = (1 - beta2**step) ** 0.5
    denominator = torch.sqrt(tile.second, out=gradients).mul_((1 / (root * step_size)).to(dtype))
    denominator.add_((ADAM_EPSILON / step_size).to(dtype))
    tile.weights.addcdiv_(tile.first, denominator, value=-1)


def sgd(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """SGD with or without momentum, without dampening or Nesterov's look ahead."""
    dtype = gradients.dtype
    add_decay(tile, gradients)
    tile.first.mul_(tile.momentum.to(dtype)).add_(gradients)
    tile.weights.addcmul_(tile.first, tile.learning_rate.to(dtype), value=-1)


def rmsprop(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """RMSprop with or without momentum, not centred."""
    dtype = gradients.dtype
    add_decay(tile, gradients)
    tile.second.mul_(RMSPROP_ALPHA).addcmul_(gradients, gradients, value=1 - RMSPROP_ALPHA)
    gradients.div_(tile.second.sqrt().add_(RMSPROP_EPSILON))
    tile.first.mul_(tile.momentum.to(dtype)).add_(gradients)
    tile.weights.addcmul_(tile.first, tile.learning_rate.to(dtype), value=-1)


def adagrad(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """Adagrad without a decay of the learning rate."""
    dtype = gradients.dtype
    add_decay(tile, gradients)
    tile.second.addcmul_(gradients, gradients)
    gradients.div_(tile.second.sqrt().add_(ADAGRAD_EPSILON))
    tile.weights.addcmul_(gradients, tile.learning_rate.to(dtype), value=-1)


@dataclass(frozen=True)
class Engine:
    """The functions that clip and step a tile: torch's of this module, or numba's."""

    name: str
    clip: Callable[[Tile, torch.Tensor], None]
    adam: Callable[[Tile, torch.Tensor, int], None]
    adamw: Callable[[Tile, torch.Tensor, int], None]
    sgd: Callable[[Tile, torch.Tensor, int], None]
    rmsprop: Callable[[Tile, torch.Tensor, int], None]
    adagrad: Callable[[Tile, torch.Tensor, int], None]


ENGINE = Engine("torch", clip, adam, adamw, sgd, rmsprop, adagrad)
