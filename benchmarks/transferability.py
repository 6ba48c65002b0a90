"""What the transferability metrics cost: CPU seconds of each on one pair of data set and backbone."""

import statistics
import time

import numpy as np
from metaprobe.config.reading import read_strictly
from metaprobe.recommend.transferability import METRICS
from metaprobe.recommend.transferability.arrays import Floats, Labels
from threadpoolctl import threadpool_limits

IMAGES, SOURCES = 5000, 1000
WIDTHS, CLASSES = (512, 1280), (10, 100)
CORE_HOURS = 1.0


def pair(width: int, classes: int) -> tuple[Floats, Floats, Labels]:
    """Features, source probabilities and labels like those of a frozen backbone.

    The features end in a ReLU, and the deviations of their directions fall as 1 / sqrt(rank): with
    equal ones, 80 % of the variance would be in hundreds of directions, and N-LEEP dearer than it is.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=IMAGES)
    spread = 1 / np.sqrt(np.arange(1, width + 1))
    latent = (rng.normal(size=(IMAGES, width)) + rng.normal(size=(classes, width))[labels]) * spread
    directions = np.linalg.qr(rng.normal(size=(width, width)))[0]
    source = np.exp(2 * rng.normal(size=(IMAGES, SOURCES)))
    return (
        np.maximum(latent @ directions + 0.1, 0),
        source / source.sum(axis=1, keepdims=True),
        labels,
    )


@threadpool_limits.wrap(limits=1)
def measure() -> dict[tuple[int, int], dict[str, float]]:
    """CPU seconds of each metric by width and number of classes."""
    METRICS["nleep"](*(part[:100] for part in pair(10, 2)))  # what is imported late is imported
    found: dict[tuple[int, int], dict[str, float]] = {}
    for width in WIDTHS:
        for classes in CLASSES:
            arrays, seconds = pair(width, classes), {}
            for name, metric in METRICS.items():
                start = time.process_time()
                metric(*arrays)
                seconds[name] = time.process_time() - start
            found[width, classes] = seconds
    return found


def print_transferability() -> None:
    """Print the seconds, and what the pairs of the 30 data sets and three backbones take."""
    found = measure()
    print(f"\nTransferability metrics, CPU seconds for {IMAGES:,} images (width × classes)")
    print(f"{'metric':<20}" + "".join(f"{f'{w} × {c}':>12}" for w, c in found))
    for name in METRICS:
        print(f"{name:<20}" + "".join(f"{one[name]:>12.2f}" for one in found.values()))
    sums = [sum(seconds.values()) for seconds in found.values()]
    print(f"{'together':<20}" + "".join(f"{one:>12.1f}" for one in sums))
    tasks = len(read_strictly("config/datasets.yaml")["datasets"])
    pairs = tasks * len(read_strictly("config/backbones.yaml")["backbones"])
    mean = statistics.mean(sums)
    print(
        f"{pairs} pairs × {mean:.1f} s, the mean of these, = {pairs * mean / 3600:.2f} core-hours; "
        f"expected: at most {CORE_HOURS:.0f}"
    )


if __name__ == "__main__":
    print_transferability()
