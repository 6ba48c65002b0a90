"""NCE: how far the most probable source class of an image tells its target class."""

import numpy as np

from metaprobe.recommend.transferability.arrays import NOT_DEFINED, Floats, Labels, members_of


def nce(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the Negative Conditional Entropy -H(Y | Z) in nats (Tran et al., ICCV 2019).

    Z is the source class with the highest probability. At most 0; NaN without source
    probabilities. `features` are not used.
    """
    if source is None:
        return NOT_DEFINED
    counts, members = members_of(labels)
    predicted = source.argmax(axis=1)
    joint = np.zeros((len(counts), source.shape[1]))
    np.add.at(joint, (members, predicted), 1)
    # The mean over the images is the sum over y and z of P(y, z) log P(y | z).
    return float(np.log(joint[members, predicted] / joint.sum(axis=0)[predicted]).mean())
