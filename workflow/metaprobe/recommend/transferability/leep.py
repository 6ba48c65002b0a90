"""LEEP: the log-likelihood of the labels under the classifier that source and target classes imply."""

import numpy as np

from metaprobe.metafeatures.separability import class_means
from metaprobe.recommend.transferability.arrays import (
    NOT_DEFINED,
    Floats,
    Labels,
    Members,
    members_of,
)


def leep(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the Log Expected Empirical Prediction (Nguyen et al., ICML 2020, equation 2), at most 0.

    The order matters: the class of the target is predicted from the backbone's probabilities of its
    source classes, P(y | x) = sum over z of P(y | z) source(z | x), never the other way round.
    NaN without source probabilities. `features` are not used.
    """
    if source is None:
        return NOT_DEFINED
    return log_expected_prediction(source, members_of(labels)[1])


def log_expected_prediction(probabilities: Floats, members: Members) -> float:
    """Return LEEP of (N, Z) probabilities whose rows sum to 1, and classes from 0, none of them empty."""
    joint = class_means(probabilities, members) * np.bincount(members)[:, None]
    marginal = joint.sum(axis=0)
    conditional = np.divide(joint, marginal, out=np.zeros_like(joint), where=marginal > 0)
    expected = np.einsum("nz,nz->n", probabilities, conditional[members])
    return float(np.log(expected).mean())
