"""The steps of `head_steps` compiled by numba: one pass over memory where torch takes several.

Every function has the name, the arguments and the effect of its reference in `head_steps`.
`error_model="numpy"` matters: Python's check of every division would keep the loops scalar. The
compiled code is cached by the text of this file alone, so constants come in as arguments.
"""

import math

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from metaprobe.training.head_steps import (
    ADAGRAD_EPSILON,
    ADAM_BETAS,
    ADAM_EPSILON,
    CLIP_EPSILON,
    RMSPROP_ALPHA,
    RMSPROP_EPSILON,
    Engine,
    Tile,
)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
# Sums in any order and fused multiply-adds, but NaN and infinity keep their meaning.
compiled = njit(error_model="numpy", fastmath={"reassoc", "contract"}, nogil=True, cache=True)


def clip(tile: Tile, gradients: torch.Tensor) -> None:
    """See `head_steps.clip`."""
    _clip(gradients.numpy(), tile.grad_clip.numpy(), CLIP_EPSILON)


@compiled
def _clip(gradients: Floats, limits: Doubles, epsilon: float) -> None:
    for head in range(len(gradients)):
        limit = limits[head, 0]
        if limit > 0:
            squares = np.float32(0)
            for i in range(gradients.shape[1]):
                squares += gradients[head, i] * gradients[head, i]
            factor = np.float32(limit / (math.sqrt(squares) + epsilon))
            if not factor >= 1:
                for i in range(gradients.shape[1]):
                    gradients[head, i] *= factor


def adam(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """See `head_steps.adam`."""
    _adapt(tile, gradients, step, False)


def adamw(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """See `head_steps.adamw`."""
    _adapt(tile, gradients, step, True)


def _adapt(tile: Tile, gradients: torch.Tensor, step: int, decoupled: bool) -> None:
    _adam(
        tile.weights.numpy(),
        gradients.numpy(),
        tile.first.numpy(),
        tile.second.numpy(),
        tile.learning_rate.numpy(),
        tile.weight_decay.numpy(),
        *ADAM_BETAS,
        ADAM_EPSILON,
        step,
        decoupled,
    )


@compiled
def _adam(
    weights: Floats,
    gradients: Floats,
    first: Floats,
    second: Floats,
    learning_rates: Doubles,
    decays: Doubles,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
    decoupled: bool,
) -> None:
    kept, added = np.float32(beta2), np.float32(1 - beta2)
    moved, small = np.float32(1 - beta1), np.float32(epsilon)
    root = np.float32(1 / math.sqrt(1 - beta2**step))
    for head in range(len(weights)):
        decay = np.float32(0 if decoupled else decays[head, 0])
        shrink = np.float32(1 - learning_rates[head, 0] * decays[head, 0] if decoupled else 1)
        step_size = np.float32(learning_rates[head, 0] / (1 - beta1**step))
        for i in range(weights.shape[1]):
            weight = weights[head, i] * shrink
            gradient = gradients[head, i] + decay * weight
            mean = first[head, i] + moved * (gradient - first[head, i])
            square = kept * second[head, i] + added * (gradient * gradient)
            first[head, i] = mean
            second[head, i] = square
            weights[head, i] = weight - step_size * mean / (math.sqrt(square) * root + small)


def sgd(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """See `head_steps.sgd`."""
    _sgd(
        tile.weights.numpy(),
        gradients.numpy(),
        tile.first.numpy(),
        tile.learning_rate.numpy(),
        tile.weight_decay.numpy(),
        tile.momentum.numpy(),
    )


@compiled
def _sgd(
    weights: Floats,
    gradients: Floats,
    velocities: Floats,
    learning_rates: Doubles,
    decays: Doubles,
    momenta: Doubles,
) -> None:
    for head in range(len(weights)):
        rate, decay = np.float32(learning_rates[head, 0]), np.float32(decays[head, 0])
        momentum = np.float32(momenta[head, 0])
        for i in range(weights.shape[1]):
            gradient = gradients[head, i] + decay * weights[head, i]
            velocity = momentum * velocities[head, i] + gradient
            velocities[head, i] = velocity
            weights[head, i] -= rate * velocity


def rmsprop(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """See `head_steps.rmsprop`."""
    _rmsprop(
        tile.weights.numpy(),
        gradients.numpy(),
        tile.first.numpy(),
        tile.second.numpy(),
        tile.learning_rate.numpy(),
        tile.weight_decay.numpy(),
        tile.momentum.numpy(),
        RMSPROP_ALPHA,
        RMSPROP_EPSILON,
    )


@compiled
def _rmsprop(
    weights: Floats,
    gradients: Floats,
    velocities: Floats,
    squares: Floats,
    learning_rates: Doubles,
    decays: Doubles,
    momenta: Doubles,
    alpha: float,
    epsilon: float,
) -> None:
    kept, added, small = np.float32(alpha), np.float32(1 - alpha), np.float32(epsilon)
    for head in range(len(weights)):
        rate, decay = np.float32(learning_rates[head, 0]), np.float32(decays[head, 0])
        momentum = np.float32(momenta[head, 0])
        for i in range(weights.shape[1]):
            gradient = gradients[head, i] + decay * weights[head, i]
            square = kept * squares[head, i] + added * (gradient * gradient)
            velocity = momentum * velocities[head, i] + gradient / (math.sqrt(square) + small)
            squares[head, i] = square
            velocities[head, i] = velocity
            weights[head, i] -= rate * velocity


def adagrad(tile: Tile, gradients: torch.Tensor, step: int) -> None:
    """See `head_steps.adagrad`."""
    _adagrad(
        tile.weights.numpy(),
        gradients.numpy(),
        tile.second.numpy(),
        tile.learning_rate.numpy(),
        tile.weight_decay.numpy(),
        ADAGRAD_EPSILON,
    )


@compiled
def _adagrad(
    weights: Floats,
    gradients: Floats,
    squares: Floats,
    learning_rates: Doubles,
    decays: Doubles,
    epsilon: float,
) -> None:
    small = np.float32(epsilon)
    for head in range(len(weights)):
        rate, decay = np.float32(learning_rates[head, 0]), np.float32(decays[head, 0])
        for i in range(weights.shape[1]):
            gradient = gradients[head, i] + decay * weights[head, i]
            square = squares[head, i] + gradient * gradient
            squares[head, i] = square
            weights[head, i] -= rate * gradient / (math.sqrt(square) + small)


ENGINE = Engine("numba", clip, adam, adamw, sgd, rmsprop, adagrad)
