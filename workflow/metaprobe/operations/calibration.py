"""How fast this machine runs the backbones, measured for a few seconds on random pixels."""

import time
from collections.abc import Sequence

import numpy as np

from metaprobe.config.backbones import BACKBONES
from metaprobe.data.transforms import SIDE
from metaprobe.features.backbones import build_backbone, random_state
from metaprobe.features.engines import ENGINES, choose_device, keep_freed_memory
from metaprobe.features.extraction import run_in_memory

LIMIT = 12.0  # seconds in all, the start of torch included


def seconds_per_image(
    architectures: Sequence[str], *, engine: str, precision: str, device: str, limit: float = LIMIT
) -> tuple[dict[str, float], str]:
    """Architecture → wall seconds per image, one job at a time; and the type of the device.

    Reading the pictures is not in it. Each backbone gets its share of the limit, though at least
    two batches, the first of which warms up.

    Raises:
        UserError: the device or the engine is not there.
    """
    begin = time.perf_counter()
    chosen = choose_device(device)
    keep_freed_memory()
    rng = np.random.default_rng(0)
    found = {}
    for number, architecture in enumerate(architectures, start=1):
        deadline = begin + limit * number / len(architectures)
        backbone = BACKBONES[architecture]
        network = build_backbone(backbone, random_state(backbone, 0))
        runner = ENGINES[engine](network, backbone, chosen, precision, 1)
        shape = (runner.batch_images, 3, SIDE, SIDE)
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        run_in_memory(runner, pixels)
        times: list[float] = []
        while not times or time.perf_counter() + times[-1] < deadline:
            start = time.perf_counter()
            run_in_memory(runner, pixels)
            times.append(time.perf_counter() - start)
        found[architecture] = float(np.median(times)) / len(pixels)
    return found, chosen.type
