"""Each backbone of config/backbones-24.yaml and the three, on each engine: speed, memory, agreement.

`python -m benchmarks.every_backbone`; about twenty minutes on one core. Each is run by a process of
its own, so that its peak memory is its own. Weights are random, but for no BatchNorm's statistics.
"""

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

WAYS = [("torch", "float32"), ("openvino", "float32"), ("torch", "bfloat16")]
WIDTH = 26


def declared() -> dict[str, Any]:
    """Return the entries of all backbones, as they are written."""
    from metaprobe.config.reading import read_strictly

    files = ("config/backbones.yaml", "config/backbones-24.yaml")
    return {name: one for file in files for name, one in read_strictly(file)["backbones"].items()}


def run(name: str, engine: str, precision: str) -> dict[str, Any]:
    """Return CPU milliseconds per picture, peak memory and features of one batch, on one thread."""
    from pathlib import Path

    import torch
    from metaprobe.config.backbones import parse_backbone
    from metaprobe.core.jobs import peak_memory_gb
    from metaprobe.features import random_weights
    from metaprobe.features.backbones import prepare
    from metaprobe.features.engines import ENGINES, keep_freed_memory
    from metaprobe.features.extraction import run_in_memory

    torch.set_num_threads(1)
    keep_freed_memory()
    # Noise seen to measure BatchNorm's statistics takes memory that a job with real weights does not.
    random_weights._measure_statistics = lambda *_: None
    backbone = parse_backbone(declared()[name])
    ready = prepare(backbone, weights="random", seed=0, receipt=None, folder=Path())
    runner = ENGINES[engine](ready, torch.device("cpu"), precision, 1)
    side, count = ready.preprocessing.size, runner.batch_images
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    features = run_in_memory(runner, pixels)
    start = time.process_time()
    run_in_memory(runner, pixels)
    seconds = time.process_time() - start
    return {
        "batch": count,
        "milliseconds": seconds * 1000 / count,
        "memory": peak_memory_gb(),
        "features": np.concatenate(features).ravel()[:4000].tolist() if count else [],
        "width": ready.width,
    }


def main() -> None:
    """Print a row per backbone: per way ms per picture, peak GB, and the distance from the first way."""
    print(f"{'backbone':<20}" + "".join(f"{' '.join(way):>{WIDTH}}" for way in WAYS))
    print(f"{'':<20}" + f"{'ms   GB  difference':>{WIDTH}}" * len(WAYS))
    largest = 0.0
    for name in declared():
        cells, first = [], None
        for way in WAYS:
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "benchmarks.every_backbone",
                name,
                *way,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                cells.append(f"{'refused':>{WIDTH}}")
                print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            width = found["width"]
            features = np.array(found["features"])[:width]
            first = features if first is None else first
            apart = abs(features - first).max() / abs(first).max()
            largest = max(largest, found["memory"])
            cells.append(f"{found['milliseconds']:>10.1f}{found['memory']:>6.2f}{apart:>10.1e}")
        print(f"{name:<20}" + "".join(cells), flush=True)
    print(f"largest peak: {largest:.2f} GB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(run(*sys.argv[1:])))
    else:
        main()
