"""The metrics of a trained linear head, in NumPy: no torch is needed to read an experiment."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def logits(features: Floats, weight: Floats, bias: Floats) -> NDArray[np.float64]:
    """Features (N, D) times weight (C, D) plus bias (C,), in double precision: (N, C)."""
    return features.astype(np.float64) @ weight.astype(np.float64).T + bias.astype(np.float64)


def accuracy(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Fraction of rows whose largest logit is the label's; ties go to the lower class."""
    return float(np.mean(logits.argmax(axis=1) == labels))


def cross_entropy(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean negative log-likelihood of the labels in nats, as torch's `cross_entropy`."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_normaliser = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_normaliser - shifted[np.arange(len(labels)), labels]))
