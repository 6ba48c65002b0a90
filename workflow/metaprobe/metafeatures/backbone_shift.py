"""How far a data set's features lie from those its backbone was trained on.

No picture of ImageNet is needed: the backbone's last BatchNorm remembers what it saw.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-5  # of torchvision's BatchNorms below
NORMAL_GRID = np.linspace(-8, 8, 2001)
Floats = NDArray[np.float64]


def relu6(values: Floats) -> Floats:
    """max(0, min(6, x))."""
    return np.clip(values, 0, 6)


def silu(values: Floats) -> Floats:
    """x times its logistic function."""
    logistic: Floats = 1 / (1 + np.exp(-values))
    return values * logistic


@dataclass(frozen=True)
class Ending:
    """A backbone that ends in BatchNorm, activation and the mean over all positions."""

    batchnorm: str
    activation: Callable[[Floats], Floats]


# Not ResNet18: its last BatchNorm is added to a shortcut before the activation, so that its
# statistics do not tell what is to be expected of the features.
ENDINGS = {
    "EfficientNetB0": Ending("features.8.1", silu),
    "MobileNetV2": Ending("features.18.1", relu6),
}


def expect_features(
    architecture: str, state: Mapping[str, NDArray[np.float32]]
) -> dict[str, Floats]:
    """`mean` and `std` (D,) of the last activations over the pictures of the training.

    A BatchNorm of scale g, shift b and running variance v gave each channel there the mean b and
    the variance g² v / (v + epsilon) (Ioffe and Szegedy 2015). The activation's mean and standard
    deviation are those of a normal distribution of this mean and variance. The mean over positions
    leaves the mean as it is; `std` is of single positions.

    Args:
        state: the network's weights by torchvision's names.
    """
    ending = ENDINGS[architecture]
    scale, shift, variance = (
        state[f"{ending.batchnorm}.{name}"].astype(np.float64)
        for name in ("weight", "bias", "running_var")
    )
    deviation = np.abs(scale) * np.sqrt(variance / (variance + EPSILON))
    density = np.exp(-np.square(NORMAL_GRID) / 2)
    density /= density.sum()
    values = ending.activation(shift[:, None] + deviation[:, None] * NORMAL_GRID)
    mean = values @ density
    return {"mean": mean, "std": np.sqrt(np.square(values - mean[:, None]) @ density)}


def batchnorm_shift(features: NDArray[np.float32], expected: Mapping[str, Floats]) -> float:
    """Distance of the mean feature to the expected one, over the expected standard deviation.

    sqrt(sum (mean - expected mean)² / sum expected std²), sums over the D channels: the mean's
    part of Yin et al.'s (2020) BatchNorm distance. 0 if no channel varies.
    """
    spread = float(np.square(expected["std"]).sum())
    if spread == 0:
        return 0.0
    apart = features.mean(axis=0, dtype=np.float64) - expected["mean"]
    return float(np.sqrt(np.square(apart).sum() / spread))
