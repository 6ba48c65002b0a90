"""LogME: the evidence that a linear model on the features explains the labels (You et al. 2021)."""

import math

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 11
TOLERANCE = 1e-3
GUARD = 1e-5
Floats = NDArray[np.float64]


def logme(features: NDArray[np.float32] | Floats, labels: NDArray[np.int64]) -> float:
    """Return the mean over the classes of the maximised log evidence per image.

    Each class that has images is a regression of its 0/1 indicator on features (N, D), uncentred
    and without a bias, as published.
    """
    if not features.any():
        features = np.ones_like(features[:, :1])  # as little to learn from, but not degenerate
    eigenvalues, directions = _decompose(features.astype(np.float64))
    present, members = np.unique(labels, return_inverse=True)
    projections = np.stack([directions[members == k].sum(axis=0) for k in range(len(present))], 1)
    evidences = maximise_evidence(
        eigenvalues, np.square(projections), np.bincount(members), *features.shape
    )
    return float(evidences.mean())


def maximise_evidence(
    eigenvalues: Floats, projections: Floats, squares: NDArray[np.int64], images: int, width: int
) -> Floats:
    """Return Log evidence per image of C targets, each at its own best prior and noise, (C,).

    The fixed point of You et al. (2022, Algorithm 3) with the constants of the published code: at
    most 11 steps, a relative change of 1e-3, and 1e-5 added to the two divisors. Other than
    there, log|A| counts all D eigenvalues, also those that are 0, as the paper's equation does.

    Args:
        eigenvalues: (k,) squared singular values of the features that are not 0.
        projections: (k, C) squared products of left singular vectors and targets.
        squares: (C,) squared norm of each target.
        images, width: N and D.
    """
    sigma = eigenvalues[:, None]
    beyond = np.maximum(squares - projections.sum(axis=0), 0)
    ratio = np.ones(len(squares))
    moving = np.ones(len(squares), dtype=bool)
    alpha, beta, norm, residue = (np.ones(len(squares)) for _ in range(4))
    for _ in range(ITERATIONS):
        t, z = ratio[moving], projections[:, moving]
        gamma = (sigma / (sigma + t)).sum(axis=0)
        left = images - len(sigma) + (t / (sigma + t)).sum(axis=0)  # N - gamma, never rounded to 0
        norm[moving] = (sigma * z / np.square(t + sigma)).sum(axis=0)
        residue[moving] = (z / np.square(1 + sigma / t)).sum(axis=0) + beyond[moving]
        alpha[moving] = gamma / (norm[moving] + GUARD)
        beta[moving] = left / (residue[moving] + GUARD)
        ratio[moving] = alpha[moving] / beta[moving]
        moving[moving] = np.abs(ratio[moving] - t) / t > TOLERANCE
        if not moving.any():
            break
    return log_evidence(alpha, beta, norm, residue, eigenvalues, images, width)


def log_evidence(
    alpha: Floats,
    beta: Floats,
    norm: Floats,
    residue: Floats,
    eigenvalues: Floats,
    images: int,
    width: int,
) -> Floats:
    """Return equation 2 of You et al. (2021) per image: `norm` is m'm, `residue` |Fm - y|²."""
    log_det = np.log(alpha + beta * eigenvalues[:, None]).sum(axis=0)
    log_det += (width - len(eigenvalues)) * np.log(alpha)
    total = width * np.log(alpha) + images * np.log(beta) - log_det - beta * residue - alpha * norm
    evidence: Floats = (total - images * math.log(2 * math.pi)) / (2 * images)
    return evidence


def _decompose(features: Floats) -> tuple[Floats, Floats]:
    """Return the squared singular values that are not 0, (k,), and left singular vectors (N, k)."""
    tall = len(features) > features.shape[1]
    gram = features.T @ features if tall else features @ features.T
    eigenvalues, vectors = np.linalg.eigh(gram)
    there = eigenvalues > max(eigenvalues[-1], 0) * len(gram) * np.finfo(np.float64).eps
    eigenvalues, vectors = eigenvalues[there], vectors[:, there]
    return eigenvalues, features @ vectors / np.sqrt(eigenvalues) if tall else vectors
