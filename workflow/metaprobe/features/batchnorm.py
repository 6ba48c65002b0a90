"""What a backbone's last BatchNorm says of the features that it gave to the pictures it saw."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.backbones import Backbone

EPSILON = 1e-5  # of the BatchNorms of torchvision's networks
NORMAL_GRID = np.linspace(-8, 8, 2001)
Floats = NDArray[np.float64]


def relu6(values: Floats) -> Floats:
    """Return max(0, min(6, x))."""
    return np.clip(values, 0, 6)


def silu(values: Floats) -> Floats:
    """Return x times its logistic function."""
    logistic: Floats = 1 / (1 + np.exp(-values))
    return values * logistic


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {"relu6": relu6, "silu": silu}


# (library, model) -> the last BatchNorm of a network that ends in BatchNorm, activation and the mean over
# all positions, and the activation. ResNet's last one is added to a shortcut before the activation, so
# that its statistics do not tell what is to be expected of the features.
ENDS_IN_BATCHNORM = {
    ("torchvision", "efficientnet_b0"): ("features.8.1", "silu"),
    ("torchvision", "mobilenet_v2"): ("features.18.1", "relu6"),
}


def has_expectation(backbone: Backbone) -> bool:
    """Return whether it is known what is to be expected of a backbone's features."""
    cut_elsewhere = backbone.layer is not None or backbone.pooling is not None
    return (backbone.origin, backbone.model) in ENDS_IN_BATCHNORM and not cut_elsewhere


def expect_features(
    backbone: Backbone, state: Mapping[str, NDArray[np.float32]]
) -> dict[str, Floats]:
    """Return `expected_mean` and `expected_std` (D,) of the last activations over its training.

    A BatchNorm of scale g, shift b and running variance v gave each channel there the mean b and
    the variance g² v / (v + epsilon) (Ioffe and Szegedy 2015). The activation's mean and standard
    deviation are those of a normal distribution of this mean and variance. The mean over positions
    leaves the mean as it is; `expected_std` is of single positions.

    Args:
        state: the weights of that BatchNorm by the library's names.

    Returns:
        Nothing for a backbone that does not end in BatchNorm, activation and mean.
    """
    if not has_expectation(backbone):
        return {}
    norm, activation = ENDS_IN_BATCHNORM[backbone.origin, backbone.model]
    scale, shift, variance = (
        state[f"{norm}.{name}"].astype(np.float64) for name in ("weight", "bias", "running_var")
    )
    deviation = np.abs(scale) * np.sqrt(variance / (variance + EPSILON))
    density = np.exp(-np.square(NORMAL_GRID) / 2)
    density /= density.sum()
    values = ACTIVATIONS[activation](shift[:, None] + deviation[:, None] * NORMAL_GRID)
    mean = values @ density
    return {
        "expected_mean": mean,
        "expected_std": np.sqrt(np.square(values - mean[:, None]) @ density),
    }
