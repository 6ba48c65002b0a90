"""Statistics of single pictures as the backbones see them, and of a data set from these."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metaprobe.config.datasets import Entry
from metaprobe.core.arrays import Arrays
from metaprobe.core.provenance import versions
from metaprobe.core.randomness import generator
from metaprobe.data.dataset import check_fit, open_dataset, subset_images
from metaprobe.data.subset import read_subset

COLUMNS = (
    "log10_side",
    "colourfulness",
    "luminance_mean",
    "luminance_std",
    "high_frequency_share",
)
SAMPLE = 1000  # the mean of so many is known to 3 % of their spread
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's mode L
HIGH_FREQUENCY = 1 / 8  # cycles per pixel: a quarter of what a grid of pixels can show
Floats = NDArray[np.float64]


def measure_pictures(
    *,
    task_id: str,
    entry: Entry,
    data: Path,
    transform: str,
    subset_path: str,
    seed: int,
    sample: int = SAMPLE,
) -> tuple[Arrays, dict[str, Any]]:
    """Return the statistics of up to `sample` pictures of the training subset, drawn without replacement.

    The side is the file's, all else is measured after the transform, as the backbones see it.

    Returns:
        `positions` (P,) int64, sorted: places in the training subset; each statistic (P,); and the
        metadata of the subset.
    """
    subset = read_subset(subset_path)
    dataset = open_dataset(task_id, entry, data)
    check_fit(subset, dataset, subset_path)
    train = subset["train"]
    count = train["images"]
    draws = generator(seed, task_id, "described pictures")
    positions = np.sort(draws.choice(count, min(sample, count), replace=False))
    chosen = {**train, "indices": [train["indices"][position] for position in positions]}
    pool = dataset.pools[train["pool"]]
    sizes: dict[int, tuple[int, int]] = {}

    def noting_its_size(index: int) -> Image.Image:
        picture = pool.image(index)
        sizes[index] = picture.size
        return picture

    noting = replace(dataset, pools={train["pool"]: replace(pool, image=noting_its_size)})
    images = subset_images({**subset, "train": chosen}, "train", noting, transform)
    measured = [
        measure_picture(image, sizes[index])
        for index, image in zip(chosen["indices"], images, strict=True)
    ]
    statistics = {name: np.array([one[name] for one in measured]) for name in measured[0]}
    metadata = {
        "task_id": task_id,
        "subset_sha256": subset["sha256"],
        "versions": versions("pillow", "numpy", "scipy"),
    }
    return {"positions": positions, **statistics}, metadata


def measure_picture(pixels: NDArray[np.uint8], size: tuple[int, int]) -> dict[str, float]:
    """Return the statistics of one picture.

    Args:
        pixels: (3, H, W), after the transform of its data set.
        size: width and height of the picture as it lies in its file.
    """
    rgb = (pixels / np.float32(255)).astype(np.float32)
    luminance = np.tensordot(LUMA, rgb, axes=1).astype(np.float32)
    return {
        "side": math.sqrt(size[0] * size[1]),
        "colourfulness": colourfulness(rgb),
        "luminance_mean": float(luminance.mean(dtype=np.float64)),
        "luminance_std": float(luminance.std(dtype=np.float64)),
        "high_frequency_share": high_frequency_share(luminance),
    }


def describe_pictures(statistics: dict[str, Floats]) -> dict[str, float]:
    """Return a data set's values from those of its P pictures, each statistic (P,)."""
    median_side = float(np.median(statistics["side"]))
    means = {name: float(statistics[name].mean()) for name in COLUMNS[1:]}
    return {"log10_side": math.log10(median_side)} | means


def colourfulness(rgb: NDArray[np.float32]) -> float:
    """Return M^(3) of Hasler and Süsstrunk (2003), of (3, H, W) in [0, 1]; 0 for grey."""
    red, green, blue = rgb
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    deviations = opponents.std(axis=(1, 2), dtype=np.float64)
    means = opponents.mean(axis=(1, 2), dtype=np.float64)
    return float(np.linalg.norm(deviations) + 0.3 * np.linalg.norm(means))


def high_frequency_share(luminance: NDArray[np.float32]) -> float:
    """Return the share of the power spectrum beyond `HIGH_FREQUENCY` (after Torralba and Oliva 2003).

    The mean is taken out and a Hann window laid over, so that neither brightness nor the seam
    between opposite borders counts. 0 for a picture of one colour.
    """
    from scipy.fft import rfft2

    window, weights, high = _spectrum_grid(*luminance.shape)
    centred = luminance - luminance.mean()
    power = np.abs(rfft2(centred * window)) ** 2 * weights
    total = float(power.sum())
    if np.ptp(luminance) == 0 or total == 0:
        return 0.0
    return float(power[high].sum()) / total


@cache
def _spectrum_grid(
    height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the window; how often each bin of the half spectrum stands for the whole; which bins are high."""
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    columns = np.fft.rfftfreq(width)
    weights = np.where((columns == 0) | (columns == 0.5), 1, 2).astype(np.float32)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], columns)
    return window, weights[None, :], radius > HIGH_FREQUENCY
