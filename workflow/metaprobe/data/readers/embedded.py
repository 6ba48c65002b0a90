"""Data sets that come with the installed packages: real digits, and pictures drawn by formula.

They are for the demo and the tests; the generated ones say so in their names.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from metaprobe.core.randomness import generator
from metaprobe.config.datasets import (Embedded)
from metaprobe.data.readers import Dataset, Pool

SIDE = 64
IMAGES = 1800
SHAPES = ["disc", "square", "triangle", "cross"]
TINTS = {"warm": (225, 120, 60), "cold": (60, 130, 225)}
ANGLES = [0, 30, 60, 90, 120, 150]
PERIODS = {"narrow": 6.0, "wide": 12.0}


def read(task_id: str, entry: Embedded, data: Path) -> Dataset:
    """Return one pool, made by the generator that the entry's `class` names."""
    return GENERATORS[entry.class_name]()


def handwritten_digits() -> Dataset:
    """Return scikit-learn's 1,797 real 8 × 8 scans (test part of UCI's Optical Recognition of
    Handwritten Digits, Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = np.round(digits.images * (255 / 16)).astype(np.uint8)
    pool = Pool(digits.target.astype(np.int64), lambda index: Image.fromarray(pictures[index]))
    return Dataset([str(digit) for digit in range(10)], {"pool": pool})


def generated_shapes() -> Dataset:
    """Return four shapes in two tints on a noisy ground: eight classes in colour."""
    names = [f"{tint} {shape}" for tint in TINTS for shape in SHAPES]
    return _generated("shapes", names, _shape)


def generated_gratings() -> Dataset:
    """Return stripes of six directions and two widths under noise: twelve classes, hard."""
    names = [f"{width} {angle} degrees" for width in PERIODS for angle in ANGLES]
    return _generated("gratings", names, _grating)


GENERATORS: dict[str, Callable[[], Dataset]] = {
    "handwritten_digits": handwritten_digits,
    "generated_shapes": generated_shapes,
    "generated_gratings": generated_gratings,
}


def _generated(
    name: str,
    class_names: list[str],
    draw: Callable[[str, np.random.Generator], NDArray[np.float64]],
) -> Dataset:
    labels = np.arange(IMAGES, dtype=np.int64) % len(class_names)

    def image(index: int) -> Image.Image:
        pixels = draw(class_names[labels[index]], generator(0, name, f"picture {index}"))
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

    return Dataset(class_names, {"pool": Pool(labels, image)})


def _shape(class_name: str, rng: np.random.Generator) -> NDArray[np.float64]:
    tint, shape = class_name.split()
    picture = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in rng.integers(20, 90, 3)))
    radius = rng.uniform(18, 26)
    x, y = rng.uniform(radius, SIDE - radius, 2)
    fill = tuple(int(v) for v in np.array(TINTS[tint]) + rng.integers(-25, 26, 3))
    pen = ImageDraw.Draw(picture)
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "disc":
        pen.ellipse(box, fill)
    elif shape == "square":
        pen.rectangle(box, fill)
    elif shape == "triangle":
        pen.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], fill)
    else:
        arm = radius / 3
        pen.rectangle((x - radius, y - arm, x + radius, y + arm), fill)
        pen.rectangle((x - arm, y - radius, x + arm, y + radius), fill)
    return np.asarray(picture) + rng.normal(0, 6, (SIDE, SIDE, 3))


def _grating(class_name: str, rng: np.random.Generator) -> NDArray[np.float64]:
    width, angle, _ = class_name.split()
    direction = np.deg2rad(int(angle) + rng.normal(0, 4))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    along = columns * np.cos(direction) + rows * np.sin(direction)
    wave = np.sin(2 * np.pi * along / PERIODS[width] + rng.uniform(0, 2 * np.pi))
    contrast = rng.uniform(30, 60)
    return np.asarray(128 + contrast * wave + rng.normal(0, 30, (SIDE, SIDE)))
