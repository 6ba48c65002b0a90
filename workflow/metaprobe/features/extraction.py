"""One pass of a frozen backbone over a subset: images in, feature vectors out."""

import hashlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config.backbones import Backbone
from metaprobe.config.datasets import Entry
from metaprobe.core.arrays import Arrays, digest_arrays
from metaprobe.core.errors import PassingError, UserError
from metaprobe.core.jobs import peak_memory_gb
from metaprobe.core.provenance import versions
from metaprobe.data.dataset import Mapped, check_fit, open_dataset, subset_images
from metaprobe.data.readers import Dataset
from metaprobe.data.subset import read_subset, read_validation
from metaprobe.data.transforms import Preprocessing
from metaprobe.features.backbones import prepare
from metaprobe.features.engines import (
    ENGINES,
    Engine,
    Features,
    Pixels,
    choose_device,
    describe_device,
    is_out_of_memory,
    keep_freed_memory,
)

BATCHES_AHEAD = 2  # one is prepared, the other waits: more would only take memory


@dataclass(frozen=True)
class Part:
    """Images beside the two parts of a subset.

    Attributes:
        name: `validation-<images>`, or `<augmentation>-<view>`.
        validation_path: the draw of validation images, if it is of these.
    """

    name: str
    validation_path: str | None = None


@dataclass(frozen=True)
class Extraction:
    """Features (N, D), the wall seconds, and those of them the network had to wait."""

    features: Features
    seconds: float
    waiting: float


def extract_features(
    *,
    task_id: str,
    entry: Entry,
    data: Path,
    transform: str,
    subset_path: str,
    architecture: str,
    backbone: Backbone,
    weights: str,
    seed: int,
    weights_receipt: str | Path | None,
    weights_folder: Path,
    device: str,
    engine: str,
    precision: str,
    threads: int,
    part: Part | None = None,
) -> tuple[Arrays, dict[str, Any]]:
    """Return features and labels of both splits of a subset, and the metadata of their extraction.

    Args:
        transform: name of one of `data.transforms.TRANSFORMS`.
        architecture: the name of the backbone.
        weights: `imagenet`, or `random`: seeded.
        weights_receipt: of weights that are not random, what `fetch_weights` wrote.
        part: images that are extracted in place of the two splits; then the arrays are `features` and
            `labels`, and of validation images `from_training`.

    Returns:
        Arrays `train_features` (N, D) float32, `train_labels` (N,) int64, the same
        for `test`, and what `batchnorm.expect_features` returns; and metadata with the digests of
        subset, pictures, weights and features, preprocessing, engine, precision, device, seconds by split, peak
        memory and versions.
    """
    subset = read_subset(subset_path)
    dataset = open_dataset(task_id, entry, data)
    check_fit(subset, dataset, subset_path)
    keep_freed_memory()
    chosen = choose_device(device)
    try:
        ready = prepare(
            backbone, weights=weights, seed=seed, receipt=weights_receipt, folder=weights_folder
        )
        runner = ENGINES[engine](ready, chosen, precision, threads)
    except UserError as error:
        raise UserError(f"backbones/{architecture}: {error}") from None
    arrays: Arrays = {}
    seconds = {"waiting": 0.0}
    pixels = hashlib.sha256()
    cpu_start = time.process_time()
    with mapping(1 if chosen.type == "cpu" else threads) as mapped:
        for one in [part] if part else [Part("train"), Part("test")]:
            prefix = "" if part else f"{one.name}_"
            drawn, seen = images_of(one, subset, dataset, transform, ready.preprocessing, mapped)
            extraction = extract(runner, hashed(seen, pixels))
            seconds[f"{prefix}features"] = extraction.seconds
            seconds["waiting"] += extraction.waiting
            arrays[f"{prefix}features"] = extraction.features
            arrays[f"{prefix}labels"] = np.array(drawn["labels"])
            if "from_training" in drawn:
                arrays["from_training"] = np.array(drawn["from_training"], np.int64)
    seconds["features_cpu"] = time.process_time() - cpu_start
    metadata = {
        "task_id": task_id,
        **({"part": part.name} if part else {}),
        "architecture": architecture,
        "class_count": subset["class_count"],
        "subset_sha256": subset["sha256"],
        "pixels_sha256": pixels.hexdigest(),
        "features_sha256": digest_arrays(arrays),
        "weights": ready.origin,
        "preprocessing": str(ready.preprocessing),
        "engine": runner.metadata,
        "precision": precision,
        "device": describe_device(chosen),
        "seconds": seconds,
        "peak_memory_gb": peak_memory_gb(),
        "versions": versions("torch", "torchvision", "pillow", "numpy"),
    }
    return arrays if part else {**arrays, **ready.expected}, metadata


def images_of(
    part: Part,
    subset: dict[str, Any],
    dataset: Dataset,
    transform: str,
    to: Preprocessing,
    mapped: Mapped,
) -> tuple[dict[str, Any], Iterator[Pixels]]:
    """Return what was drawn of a part, with its `labels`, and its images as the backbone sees them.

    Args:
        part: also `train` and `test`.
    """
    if part.name in subset:
        return subset[part.name], subset_images(subset, part.name, dataset, transform, to, mapped)
    if part.validation_path is not None:
        drawn = read_validation(part.validation_path, subset)
        together = subset | {"validation": drawn}
        return drawn, subset_images(together, "validation", dataset, transform, to, mapped)
    from metaprobe.data.augmentation import augmented_images

    augmentation, _, view = part.name.rpartition("-")
    seen = augmented_images(subset, dataset, transform, to, augmentation, int(view), mapped)
    return subset["train"], seen


def extract(engine: Engine, images: Iterable[Pixels]) -> Extraction:
    """Return the features of N images (3, S, S), which are prepared while the network runs."""
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
    """Return the features of a batch; where memory does not suffice, the engine's batch is halved.

    The engine is given full batches only, the last one filled up with black, so that an image's
    features depend neither on how many others there are nor, through kernels chosen for small
    batches, on the number of threads.

    Raises:
        PassingError: there is not even memory for one image.
    """
    features: list[Features] = []
    done = 0
    while done < len(pixels):
        size = engine.batch_images
        try:
            given = pixels[done : done + size]
            filling = [(0, size - len(given)), (0, 0), (0, 0), (0, 0)]
            features.append(engine(np.pad(given, filling))[: len(given)])
            done += size
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise PassingError(
                    f"the memory does not suffice for one image ({type(error).__name__}: {error}): "
                    "run fewer jobs at a time (--cores), or use another device"
                ) from None
            engine.batch_images = size // 2
            print(f"out of memory with {size} images at once; going on with {size // 2}")
    return features


@contextmanager
def mapping(threads: int) -> Iterator[Mapped]:
    """Give what prepares pictures: `map`, or the same by threads, for a card that must not wait."""
    if threads == 1:
        yield map
        return
    with ThreadPoolExecutor(threads) as pool:
        yield partial(map_ahead, pool, threads)


def map_ahead(
    pool: ThreadPoolExecutor, threads: int, function: Callable[[Any], Any], items: Sequence[Any]
) -> Iterator[Any]:
    """Yield the function of each item, in order, while the threads are at the next ones."""
    iterator = iter(items)
    coming = deque(pool.submit(function, one) for one in itertools.islice(iterator, 2 * threads))
    while coming:
        result = coming.popleft().result()
        coming.extend(pool.submit(function, one) for one in itertools.islice(iterator, 1))
        yield result


def ahead(batches: Iterable[Pixels]) -> Iterator[Pixels]:
    """Yield the same batches, prepared by a thread of their own, BATCHES_AHEAD of those asked for."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(next, iterator, None) for _ in range(BATCHES_AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, iterator, None))
            yield batch


def stacked(images: Iterable[Pixels], size: int) -> Iterator[Pixels]:
    """Yield batches (at most `size`, 3, S, S)."""
    iterator = iter(images)
    while batch := list(itertools.islice(iterator, size)):
        yield np.stack(batch)


def hashed(images: Iterable[Pixels], digest: "hashlib._Hash") -> Iterator[Pixels]:
    """Pass images through and take their bytes into `digest` on the way."""
    for image in images:
        digest.update(np.ascontiguousarray(image).data)
        yield image
