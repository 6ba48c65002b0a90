"""Named random generators: every draw of the project comes from (seed, data set, purpose)."""

import hashlib

import numpy as np


def derive_seed(seed: int, dataset: str, purpose: str) -> int:
    """A 63-bit seed that depends on all three arguments and on nothing else."""
    digest = hashlib.sha256(f"{seed}\n{dataset}\n{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, dataset: str, purpose: str) -> np.random.Generator:
    """The NumPy generator of (seed, data set, purpose)."""
    return np.random.default_rng(derive_seed(seed, dataset, purpose))
