"""CPU milliseconds to decode and resize a picture, and how long a network then waits for it."""

import io
import time
from collections.abc import Iterator

import numpy as np
import torch
from metaprobe.data.transforms import PROTOCOL, TRANSFORMS
from metaprobe.features.engines import TorchEngine
from metaprobe.features.extraction import extract
from PIL import Image

from benchmarks.backbones import BACKBONES, ready

PICTURES = 96
KINDS = {
    "28 x 28 grey array": ("grey", (28, 28)),
    "32 x 32 colour array": ("colour", (32, 32, 3)),
    "500 x 400 colour JPEG": ("colour", (400, 500, 3)),
}


def pictures(shape: tuple[int, ...], jpeg: bool) -> list[bytes | Image.Image]:
    """Smooth pictures with some noise, as photographs compress; JPEGs as bytes."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, shape[1])[None, :, None] if len(shape) == 3 else 100
    found: list[bytes | Image.Image] = []
    for _ in range(PICTURES):
        image = Image.fromarray((ramp + rng.integers(0, 40, shape)).astype(np.uint8))
        if not jpeg:
            found.append(image)
            continue
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def prepared(sources: list[bytes | Image.Image], transform: str) -> Iterator[np.ndarray]:
    """What the workflow's readers and transforms do with them."""
    for source in sources:
        image = Image.open(io.BytesIO(source)) if isinstance(source, bytes) else source
        yield TRANSFORMS[transform](image, PROTOCOL)


def measure() -> list[tuple[str, float, dict[str, float]]]:
    """Of each kind: CPU ms per picture, and by architecture the share of wall time waited."""
    torch.set_num_threads(1)
    engines = {
        name: TorchEngine(ready(one), torch.device("cpu"), "float32", 1)
        for name, one in BACKBONES.items()
    }
    found = []
    for kind, (transform, shape) in KINDS.items():
        sources = pictures(shape, jpeg="JPEG" in kind)
        start = time.process_time()
        for _ in prepared(sources, transform):
            pass
        milliseconds = (time.process_time() - start) * 1000 / PICTURES
        waits = {}
        for name, engine in engines.items():
            done = extract(engine, prepared(sources, transform))
            waits[name] = done.waiting / done.seconds
        found.append((kind, milliseconds, waits))
    return found
