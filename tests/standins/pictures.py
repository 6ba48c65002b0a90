"""Small pictures that show their class: a ramp pattern whose direction, width, hue and spot are the label's."""

import colorsys
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GOLDEN = 0.6180339887498949
NOISE = 8.0


def generator(name: str) -> np.random.Generator:
    """The random numbers of one source: the same in every run, on every machine."""
    return np.random.default_rng(crc32(name.encode()))


def pattern(label: int, classes: int, size: tuple[int, int], channels: int) -> NDArray[np.float64]:
    """The noiseless picture of a class, in 0..255: (height, width) or (height, width, 3).

    Ramps, not waves: they differ from themselves turned by 90, 180 and 270 degrees, and when mirrored.
    Lengths are in units of the shorter side, so that a centre crop shows the same whatever the shape.
    """
    height, width = size
    y, x = np.mgrid[:height, :width].astype(float)
    y, x = (y + 0.5 - height / 2) / min(size), (x + 0.5 - width / 2) / min(size)
    direction = 2 * np.pi * (label + 0.3) / classes
    ramps = ((x * np.cos(direction) + y * np.sin(direction)) * (2 + label % 3) + 0.5) % 1
    shade = (label * GOLDEN) % 1
    spot_x, spot_y = 0.3 * np.cos(2 * np.pi * shade), 0.3 * np.sin(2 * np.pi * shade)
    spot = np.exp(-((x - spot_x) ** 2 + (y - spot_y) ** 2) / (2 * 0.09**2))
    if channels == 1:
        colour = np.array(0.55 + 0.45 * shade)
    else:
        colour = np.array(colorsys.hsv_to_rgb(shade, 0.7, 1.0))
        ramps, spot = ramps[..., None], spot[..., None]
    values: NDArray[np.float64] = 255 * ((0.1 + 0.8 * ramps) * colour * (1 - spot) + spot)
    return values


def picture(
    label: int, classes: int, size: tuple[int, int], channels: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The pattern of a class with a little noise: (height, width) or (height, width, 3)."""
    clean = pattern(label, classes, size, channels)
    return (clean + rng.normal(0, NOISE, clean.shape)).clip(0, 255).astype(np.uint8)


def pictures(
    labels: NDArray[np.int64], classes: int, side: int, channels: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One square picture for each label: (N, side, side) or (N, side, side, 3)."""
    return np.stack([picture(int(k), classes, (side, side), channels, rng) for k in labels])


def mixed_labels(count: int, classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Every class equally often, or one more for the first ones, in random order."""
    return rng.permutation(np.arange(count) % classes)


def uneven_size(number: int) -> tuple[int, int]:
    """Height and width of the picture with this number: wide, high and square ones in turn."""
    return [(48, 64), (60, 45), (52, 52)][number % 3]


def save(
    pixels: NDArray[np.uint8] | NDArray[np.bool_], path: Path, format: str | None = None
) -> None:
    """Write a picture; the suffix tells the format unless it is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format)
