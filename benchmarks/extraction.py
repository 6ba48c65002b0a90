"""Images per CPU second of each engine and backbone, beside the machine's own GEMM rate."""

import copy
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from metaprobe.config.backbones import Backbone
from metaprobe.data.transforms import normalise
from metaprobe.features.engines import ENGINES, keep_freed_memory
from metaprobe.features.extraction import run_in_memory

from benchmarks.backbones import ready

IMAGES, ROUNDS = 32, 5
CPU = torch.device("cpu")


def gemm_rate() -> float:
    """GFLOP per CPU second of a float32 matrix product on one thread; the best of some."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    rates = []
    for _ in range(10):
        start = time.process_time()
        for _ in range(5):
            a @ b
        rates.append(5 * 2 * 1024**3 / (time.process_time() - start) / 1e9)
    return max(rates)


def ways(declared: Backbone, engines: list[str]) -> dict[str, Callable[[np.ndarray], object]]:
    """What takes images (N, 3, 224, 224) to features: plain torch, and the engines."""
    backbone = ready(declared)
    plain = copy.deepcopy(backbone.network)

    def eager(pixels: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            return plain(normalise(torch.from_numpy(pixels)))

    found: dict[str, Callable[[np.ndarray], object]] = {"eager": eager}
    for name in engines:
        engine = ENGINES[name](copy.deepcopy(backbone), CPU, "float32", 1)
        found[name] = lambda pixels, engine=engine: run_in_memory(engine, pixels)
    return found


def measure(
    engines: list[str], backbones: dict[str, Backbone]
) -> tuple[float, dict[str, dict[str, float]], dict[str, float]]:
    """GFLOP per CPU second; images per CPU second by architecture and way; GFLOP per image."""
    torch.set_num_threads(1)
    keep_freed_memory()
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 3, 224, 224), dtype=np.uint8)
    rates, flops = {}, {}
    gemm = gemm_rate()
    for architecture, backbone in backbones.items():
        flops[architecture] = 2 * ready(backbone).gflop  # two for a multiplication and addition
        candidates = ways(backbone, engines)
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        for round_number in range(ROUNDS + 1):
            for name, run in candidates.items():
                start = time.process_time()
                run(pixels)
                if round_number:  # the first warms up
                    seconds[name].append(time.process_time() - start)
        rates[architecture] = {n: IMAGES / statistics.median(s) for n, s in seconds.items()}
        gemm = max(gemm, gemm_rate())
    return gemm, rates, flops
