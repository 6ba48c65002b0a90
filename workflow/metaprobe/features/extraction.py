"""One pass of a frozen backbone over a subset: images in, feature vectors out."""

import hashlib
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config.datasets import Entry
from metaprobe.core.errors import UserError
from metaprobe.core.files import Arrays, digest_arrays
from metaprobe.core.jobs import peak_memory_gb
from metaprobe.core.provenance import versions
from metaprobe.data.dataset import check_fit, open_dataset, subset_images
from metaprobe.data.subset import read_subset
from metaprobe.features.backbones import build_backbone
from metaprobe.features.devices import (
    choose_device,
    describe_device,
    is_out_of_memory,
    keep_freed_memory,
)
from metaprobe.features.engines import Engine, Features, Pixels, build_engine
from metaprobe.features.weights import load_weights

BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Extraction:
    """Features (N, feature_width), the wall seconds, and those of them the network had to wait."""

    features: Features
    seconds: float
    waiting: float


def extract_features(
    *,
    task_id: str,
    entry: Entry,
    data: Path,
    subset_path: str,
    architecture: str,
    seed: int,
    weights_receipt: str | None,
    weights_folder: Path,
    device: str,
    engine: str,
    precision: str,
    threads: int,
) -> tuple[Arrays, dict[str, Any]]:
    """Features and labels of both parts of a subset, and the facts of their extraction.

    Args:
        weights_receipt: what `fetch_weights` wrote; None: seeded random weights.

    Returns:
        Arrays `train_features` (N, feature_width) float32, `train_labels` (N,) int64, the same
        for `test`; and facts with the digests of subset, pictures, weights and features, engine,
        precision, device, seconds by part, peak memory and versions.
    """
    subset = read_subset(subset_path)
    dataset = open_dataset(task_id, entry, data)
    check_fit(subset, dataset, subset_path)
    state, weights = load_weights(architecture, seed, weights_receipt, weights_folder)
    keep_freed_memory()
    chosen = choose_device(device)
    runner = build_engine(
        engine,
        build_backbone(architecture, state),
        architecture,
        device=chosen,
        precision=precision,
        threads=threads,
    )
    arrays: Arrays = {}
    seconds = {"waiting": 0.0}
    pixels = hashlib.sha256()
    for part in ("train", "test"):
        images = hashed(subset_images(subset, part, dataset, entry.transform), pixels)
        extraction = extract(runner, images)
        seconds[f"{part}_features"] = extraction.seconds
        seconds["waiting"] += extraction.waiting
        arrays[f"{part}_features"] = extraction.features
        arrays[f"{part}_labels"] = np.array(subset[part]["labels"])
    facts = {
        "task_id": task_id,
        "architecture": architecture,
        "class_count": subset["class_count"],
        "subset_sha256": subset["sha256"],
        "pixels_sha256": pixels.hexdigest(),
        "features_sha256": digest_arrays(arrays),
        "weights": weights,
        "engine": runner.facts,
        "precision": precision,
        "device": describe_device(chosen),
        "seconds": seconds,
        "peak_memory_gb": peak_memory_gb(),
        "versions": versions("torch", "torchvision", "pillow", "numpy"),
    }
    return arrays, facts


def extract(engine: Engine, images: Iterable[Pixels]) -> Extraction:
    """The features of N images (3, 224, 224), which are prepared while the network runs."""
    start = time.perf_counter()
    waiting = 0.0
    features = []
    batches = ahead(stacked(images, engine.batch_images))
    while True:
        began = time.perf_counter()
        batch = next(batches, None)
        waiting += time.perf_counter() - began
        if batch is None:
            break
        features += run_in_memory(engine, batch)
    return Extraction(np.concatenate(features), time.perf_counter() - start, waiting)


def run_in_memory(engine: Engine, pixels: Pixels) -> list[Features]:
    """The features of a batch, in parts; for want of memory the engine's batch is halved.

    The engine is given full batches only, the last one filled up with black, so that an image's
    features depend neither on how many others there are nor, through kernels chosen for small
    batches, on the number of threads.

    Raises:
        UserError: there is not even memory for one image.
    """
    features: list[Features] = []
    done = 0
    while done < len(pixels):
        size = engine.batch_images
        try:
            part = pixels[done : done + size]
            filling = [(0, size - len(part)), (0, 0), (0, 0), (0, 0)]
            features.append(engine(np.pad(part, filling))[: len(part)])
            done += size
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise UserError(
                    f"the memory does not suffice for one image ({type(error).__name__}: {error}): "
                    "run fewer jobs at a time (--cores), or use another device"
                ) from None
            engine.batch_images = size // 2
            print(f"out of memory with {size} images at once; going on with {size // 2}")
    return features


def ahead(batches: Iterable[Pixels]) -> Iterator[Pixels]:
    """The same batches, prepared by a thread of their own, BATCHES_AHEAD of those asked for."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(next, iterator, None) for _ in range(BATCHES_AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, iterator, None))
            yield batch


def stacked(images: Iterable[Pixels], size: int) -> Iterator[Pixels]:
    """Batches (at most `size`, 3, 224, 224)."""
    iterator = iter(images)
    while batch := list(itertools.islice(iterator, size)):
        yield np.stack(batch)


def hashed(images: Iterable[Pixels], digest: "hashlib._Hash") -> Iterator[Pixels]:
    """Pass images through and take their bytes into `digest` on the way."""
    for image in images:
        digest.update(np.ascontiguousarray(image).data)
        yield image
