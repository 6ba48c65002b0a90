"""Linear probe: the accuracy of a ridge classifier on images that it has not seen."""

import numpy as np

from metaprobe.recommend.transferability.arrays import NOT_DEFINED, Floats, Labels, members_of
from metaprobe.training.reference_heads import leave_one_out


def linear_probe(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the leave-one-out accuracy of ridge regression to one-hot labels, between 0 and 1.

    The best over a few penalties, the same for all backbones, so that its optimism is alike. Ridge
    and not logistic regression, since one decomposition gives the exact predictions of all N
    classifiers at every penalty: every image is used, nothing is drawn, and nothing has to
    converge. NaN for a single image. `source` is not used.
    """
    if len(labels) < 2:
        return NOT_DEFINED
    counts, members = members_of(labels)
    return leave_one_out(features.astype(np.float64), members, len(counts)).accuracy
