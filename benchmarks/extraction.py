"""Images per CPU second of each engine and backbone, beside the machine's own GEMM rate."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from metaprobe.config.backbones import BACKBONES
from metaprobe.data.transforms import normalise
from metaprobe.features.backbones import build_backbone, random_state
from metaprobe.features.engines import ENGINES, keep_freed_memory
from metaprobe.features.extraction import run_in_memory
from torch.utils.flop_counter import FlopCounterMode

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


def gigaflops(backbone: torch.nn.Module) -> float:
    """Floating-point operations of one image, two per multiplication and addition."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        backbone(torch.zeros(1, 3, 224, 224))
    return counter.get_total_flops() / 1e9


def ways(architecture: str, engines: list[str]) -> dict[str, Callable[[np.ndarray], object]]:
    """What takes images (N, 3, 224, 224) to features: plain torch, and the engines."""
    chosen = BACKBONES[architecture]
    backbone = build_backbone(chosen, random_state(chosen, 0))

    def eager(pixels: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            return backbone(normalise(torch.from_numpy(pixels)))

    found: dict[str, Callable[[np.ndarray], object]] = {"eager": eager}
    for name in engines:
        engine = ENGINES[name](backbone, chosen, CPU, "float32", 1)
        found[name] = lambda pixels, engine=engine: run_in_memory(engine, pixels)
    return found


def measure(engines: list[str]) -> tuple[float, dict[str, dict[str, float]], dict[str, float]]:
    """GFLOP per CPU second; images per CPU second by architecture and way; GFLOP per image."""
    torch.set_num_threads(1)
    keep_freed_memory()
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 3, 224, 224), dtype=np.uint8)
    rates, flops = {}, {}
    gemm = gemm_rate()
    for architecture, backbone in BACKBONES.items():
        flops[architecture] = gigaflops(build_backbone(backbone, random_state(backbone, 0)))
        candidates = ways(architecture, engines)
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
