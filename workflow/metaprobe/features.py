"""One pass of a frozen backbone over a subset: images in, feature vectors out."""

import ctypes
import hashlib
import itertools
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workflow.metaprobe.architectures import build_backbone
from workflow.metaprobe.datasets import check_fit, open_dataset, subset_images
from workflow.metaprobe.errors import UserError
from workflow.metaprobe.files import Arrays, digest_arrays, read_json
from workflow.metaprobe.images import normalise
from workflow.metaprobe.jobs import peak_memory_gb
from workflow.metaprobe.provenance import versions
from workflow.metaprobe.subsets import read_subset
from workflow.metaprobe.weights import load_imagenet, load_random

if TYPE_CHECKING:
    import torch

BATCH_IMAGES = 32

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]


def extract_features(
    *,
    task_id: str,
    entry: dict[str, Any],
    data: Path,
    subset_path: str,
    architecture: str,
    seed: int,
    weights_receipt: str | None,
    weights_folder: Path,
    device: str,
) -> tuple[Arrays, dict[str, Any]]:
    """Features and labels of both parts of a subset, and the facts of their extraction.

    Args:
        weights_receipt: what `fetch_weights` wrote; None: seeded random weights.

    Returns:
        Arrays `train_features` (N, feature_width) float32, `train_labels` (N,) int64, the same
        for `test`; and facts with the digests of subset, pictures, weights and features, device, seconds
        by part, peak memory and versions.
    """
    subset = read_subset(subset_path)
    dataset = open_dataset(task_id, entry, data)
    check_fit(subset, dataset, subset_path)
    if weights_receipt is None:
        state, weights = load_random(architecture, seed)
    else:
        weights = read_json(weights_receipt)
        state = load_imagenet(weights, weights_folder)
    backbone = build_backbone(architecture, state)
    chosen = choose_device(device)
    arrays: Arrays = {}
    seconds = {}
    pixels = hashlib.sha256()
    for part in ("train", "test"):
        images = hashed(subset_images(subset, part, dataset, entry["transform"]), pixels)
        features, seconds[f"{part}_features"] = extract(backbone, images, chosen)
        arrays |= {f"{part}_features": features, f"{part}_labels": np.array(subset[part]["labels"])}
    facts = {
        "task_id": task_id,
        "architecture": architecture,
        "class_count": subset["class_count"],
        "subset_sha256": subset["sha256"],
        "pixels_sha256": pixels.hexdigest(),
        "features_sha256": digest_arrays(arrays),
        "weights": weights,
        "device": describe_device(chosen),
        "seconds": seconds,
        "peak_memory_gb": peak_memory_gb(),
        "versions": versions("torch", "torchvision", "pillow", "numpy"),
    }
    return arrays, facts


def extract(
    backbone: "torch.nn.Module", images: Iterable[Pixels], device: "torch.device"
) -> tuple[Features, float]:
    """Features (N, feature_width) of N images (3, 224, 224), and the seconds it took.

    The seconds include the preparation of the images, as the iterable does it on the way.
    """
    import torch

    keep_freed_memory()
    backbone = backbone.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = time.perf_counter()
    features = []
    with torch.inference_mode():
        for pixels in _batches(images):
            batch = normalise(pixels).to(device, memory_format=torch.channels_last)
            features.append(backbone(batch).float().cpu().numpy())
    return np.concatenate(features), time.perf_counter() - start


def hashed(images: Iterable[Pixels], digest: "hashlib._Hash") -> Iterator[Pixels]:
    """Pass images through and take their bytes into `digest` on the way."""
    for image in images:
        digest.update(np.ascontiguousarray(image).data)
        yield image


def choose_device(name: str) -> "torch.device":
    """`auto` is CUDA where there is one, then Apple's MPS, then the CPU.

    Raises:
        UserError: the device asked for by name is not there.
    """
    import torch

    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        name = next(device for device, available in there.items() if available())
    elif not there[name]():
        raise UserError(f"device: {name} is not available on this machine; use auto or cpu")
    return torch.device(name)


def describe_device(device: "torch.device") -> str:
    """`cpu`, or the device and the name of the card."""
    import torch

    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return str(device)


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed activations instead of faulting it in again.

    Worth a factor of two for the mobile networks on Linux; elsewhere it does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    libc = ctypes.CDLL(None)
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    libc.mallopt(m_top_pad, 300_000_000)


def _batches(images: Iterable[Pixels]) -> Iterator[Pixels]:
    iterator = iter(images)
    while batch := list(itertools.islice(iterator, BATCH_IMAGES)):
        yield np.stack(batch)
