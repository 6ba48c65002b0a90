"""Named random generators: every draw of the project comes from (seed, data set, purpose)."""

import hashlib
import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = TypeVar("Floats", NDArray[np.float32], NDArray[np.float64])


def derive_seed(seed: int, dataset: str, purpose: str) -> int:
    """A 63-bit seed that depends on all three arguments and on nothing else."""
    digest = hashlib.sha256(f"{seed}\n{dataset}\n{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, dataset: str, purpose: str) -> np.random.Generator:
    """The NumPy generator of (seed, data set, purpose)."""
    return np.random.default_rng(derive_seed(seed, dataset, purpose))


class Draws:
    """What is random in the training of a head.

    Each purpose has a generator of its own, named by (seed, data set, purpose), so that every
    configuration of a data set sees the same batches and, at one dropout rate, the same masks.
    """

    def __init__(self, seed: int, dataset: str) -> None:
        self._initialisation = generator(seed, dataset, "head initialisation")
        self._shuffling = generator(seed, dataset, "shuffling")
        self._dropout = generator(seed, dataset, "dropout")

    def initial_head(
        self, width: int, class_count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight (C, width) and bias (C,), drawn as `torch.nn.Linear` does: U(-1/√D, 1/√D)."""
        bound = 1 / math.sqrt(width)
        weight = self._initialisation.uniform(-bound, bound, (class_count, width))
        return weight, self._initialisation.uniform(-bound, bound, class_count)

    def batches(self, count: int, batch_size: int) -> list[NDArray[np.int64]]:
        """The indices of one epoch's shuffled batches; the last may be smaller."""
        order = self._shuffling.permutation(count)
        return [order[start : start + batch_size] for start in range(0, count, batch_size)]

    def dropout(self, features: Floats, rate: float) -> Floats:
        """Inverted dropout of the features, as `torch.nn.Dropout` does it in training."""
        if not rate:
            return features
        kept = self._dropout.random(features.shape, dtype=np.float32) >= rate
        return features * kept / (1 - rate)
