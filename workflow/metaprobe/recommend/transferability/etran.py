"""ETran: an energy of the features, a discriminant's confidence in the labels, and both combined."""

import numpy as np

from metaprobe.recommend.transferability.arrays import Floats, Labels, members_of
from metaprobe.recommend.transferability.sfda import posteriors

LOWEST_IN_A_THOUSAND = 5
ENERGY_WEIGHT, DISCRIMINANT_WEIGHT = 0.15, 0.85


def etran_energy(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the energy score of ETran (Gholami et al., ICCV 2023).

    The mean log of the sum of exp(features) over the half per cent of images where it is lowest,
    at least one: what the authors' code takes, of features and not of logits. `source` and
    `labels` are not used.
    """
    from scipy.special import logsumexp

    lowest = max(LOWEST_IN_A_THOUSAND * len(features) // 1000, 1)
    return float(np.sort(logsumexp(features, axis=1))[:lowest].mean())


def etran_discriminant(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the classification score of ETran, between 0 and 1: the mean probability of the own class.

    As published in code: its eigenvectors come from a solver for symmetric matrices, which the
    matrix is not, so that their product with their transpose is the identity and the within-class
    scatter has no part in it. What remains are Gaussians of covariance one about the class means.
    `source` is not used.
    """
    members = members_of(labels)[1]
    found = posteriors(features, members, None)
    return float(found[np.arange(len(members)), members].mean())


def etran(energy: Floats, discriminant: Floats) -> Floats:
    """Return ETran of the B backbones of one data set, (B,), from both scores of each.

    Each score is scaled to [0, 1] over the backbones, and the scores are weighted 0.15 and 0.85 as
    in the authors' code: ETran has no value for a backbone alone. A score that is the same for all
    backbones counts 0.
    """
    return ENERGY_WEIGHT * _scaled(energy) + DISCRIMINANT_WEIGHT * _scaled(discriminant)


def _scaled(scores: Floats) -> Floats:
    """Return the scores from 0 (lowest) to 1 (highest)."""
    span = float(np.ptp(scores))
    scaled: Floats = (scores - scores.min()) / (span if span > 0 else 1)
    return scaled
