"""What enters the first trained block of each image: computed once, kept on the disk, read by index.

To be imported where it is used, as it imports torch.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metaprobe.config.backbones import Backbone
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, cannot_write, missing
from metaprobe.features.backbones import Ready
from metaprobe.features.engines import Engine, Pixels, TorchEngine
from metaprobe.features.extraction import ahead, run_in_memory, stacked
from metaprobe.features.facts import build_without_head
from metaprobe.tuning.blocks import blocks_of, first_trainable
from metaprobe.tuning.split import split

TOO_LARGE = "activations are too large for float16: set cache_precision: float32"
PIXELS = "pixels"  # the cut below all blocks: the pictures themselves


def shape_of(backbone: Backbone, cut: str) -> tuple[int, ...]:
    """Return the shape of an image's activations at a cut, without weights; nothing is computed.

    Raises:
        UserError: the backbone cannot be cut there.
    """
    trainable, _, _ = cut.partition(".")
    network, size = build_without_head(backbone)
    if trainable == PIXELS:
        return 3, size, size
    lower, _ = split(network, blocks_of(network), str(first_trainable(network, trainable)))
    with torch.inference_mode():
        found: torch.Tensor = lower(torch.zeros(1, 3, size, size))
    return tuple(found.shape[1:])


class _AsTheyAre:
    """The engine of the cut below everything: pictures are kept as they are prepared."""

    def __init__(self) -> None:
        self.metadata = {"name": "none", "version": ""}
        self.batch_images = 16

    def __call__(self, pixels: Pixels) -> Any:
        return pixels


def engine_below(ready: Ready, cut: str, device: torch.device, threads: int) -> Engine:
    """Return what computes the activations at a cut of a backbone.

    For a cache in half precision BatchNorms are folded, which is faster; in single precision nothing
    is changed, so that training from the cache is training in the network.
    """
    trainable, _, precision = cut.partition(".")
    if trainable == PIXELS:
        return _AsTheyAre()
    blocks = blocks_of(ready.network)
    first = first_trainable(ready.network, trainable)
    lower, _ = split(ready.network, blocks, str(first))
    return TorchEngine(
        replace(ready, network=lower.eval()),
        device,
        "float32",
        threads,
        folding=precision == "float16",
    )


def write_activations(
    path: str | Path, images: Iterator[Pixels], count: int, engine: Engine
) -> None:
    """Write the activations of images as an array (N, ...) in NumPy's format.

    What is not finished is under another name, so that nothing half-written is ever used; and its room
    is taken first, as a full disk would end a process that writes to a mapped file.

    Args:
        path: in a folder that is called as the cut.

    Raises:
        UserError: the disk is full, or half precision does not suffice.
    """
    part = Path(path).with_name(f".{Path(path).name}.part")
    dtype = np.dtype(Path(path).parent.name.rpartition(".")[2])
    array: NDArray[Any] | None = None
    done = 0
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        for batch in ahead(stacked(images, engine.batch_images)):
            for found in run_in_memory(engine, batch):
                if array is None:
                    shape = (count, *found.shape[1:])
                    array = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=shape)
                    _take_room(part)
                if dtype == np.float16 and not np.abs(found).max() <= np.finfo(dtype).max:
                    raise UserError(TOO_LARGE)
                array[done : done + len(found)] = found
                done += len(found)
        if array is None or done != count:
            raise ValueError(f"{done} activations of {count} images")
        del array
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(part, error) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _take_room(file: Path) -> None:
    """Let a file of holes have its room on the disk, where the system knows how."""
    if hasattr(os, "posix_fallocate"):
        with open(file, "r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)


def read_activations(path: str | Path) -> NDArray[Any]:
    """Return an array of activations (N, ...), mapped from the disk.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:
        raise broken(path, str(error)) from None
    return array
