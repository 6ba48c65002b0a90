"""The optimisers of torch.optim, with torch's defaults for everything not configured.

Each class follows the algorithm box of the torch.optim class of its name. They are written once for
NumPy arrays and torch tensors: in operators that work in place, and in what an `Arithmetic` adds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

Array = Any  # of float64 or float32, of NumPy or torch
Factor = Any  # a number, or a column (K, 1) with one for each head


@dataclass(frozen=True)
class Arithmetic:
    """What steps need of an array library beside operators.

    Attributes:
        library: NumPy or torch itself, for functions that both have.
        add: `add(target, values, factor)` adds factor * values to the target, in place.
        add_square: `add_square(target, values, factor)` adds factor * values², in place.
    """

    library: ModuleType
    add: Callable[[Array, Array, Factor], object]
    add_square: Callable[[Array, Array, float], object]


def _add(target: Array, values: Array, factor: Factor) -> None:
    target += factor * values


def _add_square(target: Array, values: Array, factor: float) -> None:
    squares = np.square(values)
    squares *= factor
    target += squares


NUMPY = Arithmetic(np, _add, _add_square)


class Optimizer:
    """Trains the parameters (P,) of one head, or (K, P) of K heads with options of their own.

    Attributes:
        parameters: what every step changes, in place.
        learning_rate: read in every step; a number, or a column (K, 1).
    """

    STATE: ClassVar[tuple[str, ...]] = ()  # arrays like the parameters, 0 at first

    def __init__(
        self, parameters: Array, options: Mapping[str, Factor], arithmetic: Arithmetic = NUMPY
    ) -> None:
        self.parameters, self.arithmetic = parameters, arithmetic
        self.learning_rate, self.weight_decay = options["learning_rate"], options["weight_decay"]
        self.momentum = options["momentum"]
        self.steps = 0
        for name in self.STATE:
            setattr(self, name, arithmetic.library.zeros_like(parameters))

    def step(self, gradient: Array) -> None:
        """Update the parameters against their gradient, which may be used up."""
        self.steps += 1
        self.arithmetic.add(gradient, self.parameters, self.weight_decay)
        self.descend(gradient)

    def descend(self, gradient: Array) -> None:
        """Do the step after the weight decay."""
        raise NotImplementedError


class SGD(Optimizer):
    """torch.optim.SGD, with heavy-ball momentum."""

    STATE: ClassVar[tuple[str, ...]] = ("velocity",)
    velocity: Array

    def descend(self, gradient: Array) -> None:
        """See `Optimizer`."""
        self.velocity *= self.momentum
        self.velocity += gradient
        self.arithmetic.add(self.parameters, self.velocity, -self.learning_rate)


class Adam(Optimizer):
    """torch.optim.Adam: betas 0.9 and 0.999, eps 1e-8; weight decay is added to the gradient."""

    BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
    STATE = ("mean", "square")
    mean: Array
    square: Array

    def descend(self, gradient: Array) -> None:
        """See `Optimizer`."""
        self.mean *= self.BETA1
        self.arithmetic.add(self.mean, gradient, 1 - self.BETA1)
        self.square *= self.BETA2
        self.arithmetic.add_square(self.square, gradient, 1 - self.BETA2)
        scale = self.arithmetic.library.sqrt(self.square, out=gradient)
        scale /= math.sqrt(1 - self.BETA2**self.steps)
        scale += self.EPS
        direction = self.arithmetic.library.divide(self.mean, scale, out=scale)
        rate = self.learning_rate / (1 - self.BETA1**self.steps)
        self.arithmetic.add(self.parameters, direction, -rate)


class AdamW(Adam):
    """torch.optim.AdamW: Adam whose weight decay shrinks the parameters themselves."""

    def step(self, gradient: Array) -> None:
        """See `Optimizer`."""
        self.steps += 1
        self.parameters *= 1 - self.learning_rate * self.weight_decay
        self.descend(gradient)


class RMSprop(SGD):
    """torch.optim.RMSprop: alpha 0.99, eps 1e-8, not centred."""

    ALPHA, EPS = 0.99, 1e-8
    STATE = ("square", "velocity")
    square: Array

    def descend(self, gradient: Array) -> None:
        """See `Optimizer`."""
        self.square *= self.ALPHA
        self.arithmetic.add_square(self.square, gradient, 1 - self.ALPHA)
        root = self.arithmetic.library.sqrt(self.square)
        root += self.EPS
        gradient /= root
        super().descend(gradient)


class Adagrad(Optimizer):
    """torch.optim.Adagrad: eps 1e-10, no decay of the learning rate."""

    EPS = 1e-10
    STATE = ("square",)
    square: Array

    def descend(self, gradient: Array) -> None:
        """See `Optimizer`."""
        self.arithmetic.add_square(self.square, gradient, 1)
        root = self.arithmetic.library.sqrt(self.square)
        root += self.EPS
        gradient /= root
        self.arithmetic.add(self.parameters, gradient, -self.learning_rate)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "Adam": Adam,
    "AdamW": AdamW,
    "SGD": SGD,
    "RMSprop": RMSprop,
    "Adagrad": Adagrad,
}
