"""Augmented views of training images, by torchvision's own transforms, seeded per image and view.

To be imported where it is used, as it imports torch.
"""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import v2

from metaprobe.core.randomness import derive_seed
from metaprobe.data.dataset import Mapped
from metaprobe.data.readers import Dataset
from metaprobe.data.transforms import TRANSFORMS, Preprocessing, usable
from metaprobe.data.undecodable import named

JITTER = (0.4, 0.4, 0.4, 0.1)  # brightness, contrast, saturation, hue: as SimCLR's, by half
_one_at_a_time = threading.Lock()  # torchvision draws from the one generator of the process


def after_flip(augmentation: str) -> list[torch.nn.Module]:
    """Return what follows the flip."""
    return {
        "flip": [],
        "flip_crop": [],
        "trivial_augment": [v2.TrivialAugmentWide()],
        "rand_augment": [v2.RandAugment()],
        "color_jitter": [v2.ColorJitter(*JITTER)],
    }[augmentation]


def augment(
    image: Image.Image, transform: str, to: Preprocessing, augmentation: str
) -> NDArray[np.uint8]:
    """Return an image as the backbone sees it, augmented: (3, size, size).

    `flip_crop` is `RandomResizedCrop` of the whole picture in place of resizing and cutting out its
    centre; the others change what the backbone would see. All flip. The draws are of torch's
    generator.
    """
    if augmentation == "flip_crop":
        mode = "L" if transform == "grey" else "RGB"
        filters = v2.InterpolationMode(to.interpolation)
        cropped = v2.RandomResizedCrop(to.size, interpolation=filters, antialias=True)(
            usable(image).convert(mode).convert("RGB")
        )
        pixels = np.asarray(cropped).transpose(2, 0, 1)
    else:
        pixels = TRANSFORMS[transform](image, to)
    steps = v2.Compose([v2.RandomHorizontalFlip(), *after_flip(augmentation)])
    augmented: NDArray[np.uint8] = steps(torch.from_numpy(np.array(pixels))).numpy()
    return augmented


def augmented_images(
    subset: dict[str, Any],
    dataset: Dataset,
    transform: str,
    to: Preprocessing,
    augmentation: str,
    view: int,
    mapped: Mapped = map,
) -> Iterator[NDArray[np.uint8]]:
    """Return one augmented view of each training image of a subset, in its order: (3, size, size).

    What is drawn depends on seed, data set, augmentation, view and image, and on nothing else.

    Raises:
        UserError: a picture does not decode; it is named.
    """
    task_id, part = subset["task_id"], subset["train"]
    pool = dataset.pools[part["pool"]]

    def prepared(index: int) -> NDArray[np.uint8]:
        seed = derive_seed(subset["seed"], task_id, f"{augmentation} {view} {index}")
        with named(task_id, part["pool"], pool, index):
            image = pool.image(index)
            with _one_at_a_time, torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return augment(image, transform, to, augmentation)

    yield from mapped(prepared, part["indices"])
