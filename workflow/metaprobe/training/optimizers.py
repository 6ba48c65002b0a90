"""The optimisers of torch.optim in NumPy, with torch's defaults for everything not configured.

Each class follows the algorithm box of the torch.optim class of its name. A head is one vector of
P parameters here; `step` changes it in place and may use up the gradient.
"""

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Optimizer(Protocol):
    """What trains P parameters."""

    def step(self, parameters: Vector, gradient: Vector) -> None:
        """One update of the parameters (P,) against their gradient (P,)."""


class SGD:
    """torch.optim.SGD, with heavy-ball momentum."""

    def __init__(self, learning_rate: float, weight_decay: float, momentum: float) -> None:
        self.learning_rate, self.weight_decay, self.momentum = learning_rate, weight_decay, momentum
        self.velocity: Vector | float = 0.0

    def step(self, parameters: Vector, gradient: Vector) -> None:
        """One update, in place."""
        gradient += self.weight_decay * parameters
        self.velocity = self.momentum * self.velocity + gradient
        parameters -= self.learning_rate * self.velocity


class Adam:
    """torch.optim.Adam: betas 0.9 and 0.999, eps 1e-8; weight decay is added to the gradient."""

    BETA1, BETA2, EPS = 0.9, 0.999, 1e-8

    def __init__(self, learning_rate: float, weight_decay: float) -> None:
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.steps = 0
        self.mean: Vector | float = 0.0
        self.square: Vector | float = 0.0

    def step(self, parameters: Vector, gradient: Vector) -> None:
        """One update, in place."""
        gradient += self.weight_decay * parameters
        self.descend(parameters, gradient)

    def descend(self, parameters: Vector, gradient: Vector) -> None:
        """Adam without weight decay."""
        self.steps += 1
        self.mean = self.BETA1 * self.mean + (1 - self.BETA1) * gradient
        np.square(gradient, out=gradient)
        self.square = self.BETA2 * self.square + (1 - self.BETA2) * gradient
        scale = np.sqrt(self.square)
        scale /= math.sqrt(1 - self.BETA2**self.steps)
        scale += self.EPS
        np.divide(self.mean, scale, out=scale)
        scale *= self.learning_rate / (1 - self.BETA1**self.steps)
        parameters -= scale


class AdamW(Adam):
    """torch.optim.AdamW: Adam whose weight decay shrinks the parameters themselves."""

    def step(self, parameters: Vector, gradient: Vector) -> None:
        """One update, in place."""
        parameters *= 1 - self.learning_rate * self.weight_decay
        self.descend(parameters, gradient)


class RMSprop:
    """torch.optim.RMSprop: alpha 0.99, eps 1e-8, not centred."""

    ALPHA, EPS = 0.99, 1e-8

    def __init__(self, learning_rate: float, weight_decay: float, momentum: float) -> None:
        self.learning_rate, self.weight_decay, self.momentum = learning_rate, weight_decay, momentum
        self.square: Vector | float = 0.0
        self.velocity: Vector | float = 0.0

    def step(self, parameters: Vector, gradient: Vector) -> None:
        """One update, in place."""
        gradient += self.weight_decay * parameters
        self.square = self.ALPHA * self.square + (1 - self.ALPHA) * np.square(gradient)
        gradient /= np.sqrt(self.square) + self.EPS
        self.velocity = self.momentum * self.velocity + gradient
        parameters -= self.learning_rate * self.velocity


class Adagrad:
    """torch.optim.Adagrad: eps 1e-10, no decay of the learning rate."""

    EPS = 1e-10

    def __init__(self, learning_rate: float, weight_decay: float) -> None:
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.square: Vector | float = 0.0

    def step(self, parameters: Vector, gradient: Vector) -> None:
        """One update, in place."""
        gradient += self.weight_decay * parameters
        self.square = self.square + np.square(gradient)
        gradient /= np.sqrt(self.square) + self.EPS
        parameters -= self.learning_rate * gradient


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "Adam": Adam,
    "AdamW": AdamW,
    "SGD": SGD,
    "RMSprop": RMSprop,
    "Adagrad": Adagrad,
}
MOMENTUM_OPTIMIZERS = ("SGD", "RMSprop")


def build_optimizer(hyperparameters: dict[str, Any]) -> Optimizer:
    """The optimiser that a configuration names."""
    names = ["learning_rate", "weight_decay"]
    if hyperparameters["optimizer"] in MOMENTUM_OPTIMIZERS:
        names.append("momentum")
    return OPTIMIZERS[hyperparameters["optimizer"]](**{n: hyperparameters[n] for n in names})
