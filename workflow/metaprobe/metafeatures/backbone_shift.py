"""How far a data set's features lie from those its backbone was trained on.

No picture of ImageNet is needed: the backbone's last BatchNorm remembers what it saw.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def batchnorm_shift(
    features: NDArray[np.float32], expected_mean: Floats, expected_std: Floats
) -> float:
    """Return the distance of the mean feature to the expected one, over the expected deviation.

    sqrt(sum (mean - expected mean)² / sum expected std²), sums over the D channels: the mean's
    part of Yin et al.'s (2020) BatchNorm distance. 0 if no channel varies.
    """
    spread = float(np.square(expected_std).sum())
    if spread == 0:
        return 0.0
    apart = features.mean(axis=0, dtype=np.float64) - expected_mean
    return float(np.sqrt(np.square(apart).sum() / spread))
