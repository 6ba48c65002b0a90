"""From a PIL image to what the backbones see: the two transforms of the protocol."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    import torch

SIDE = 224
RESIZED_SIDE = 256
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def eight_bits(image: Image.Image) -> Image.Image:
    """Return the image, if it has 8 bits a channel; Pillow would clip others to white without a word.

    Raises:
        ValueError: it has more.
    """
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its mode is {image.mode}: convert it to 8 bits a channel")
    return image


def grey(image: Image.Image) -> NDArray[np.uint8]:
    """Return one luminance channel three times, resized to 224 × 224, nothing cropped: (3, 224, 224)."""
    channel = resize(eight_bits(image).convert("L"), (SIDE, SIDE))
    return np.broadcast_to(channel, (3, SIDE, SIDE))


def colour(image: Image.Image) -> NDArray[np.uint8]:
    """Return RGB, shorter side resized to 256, centre crop of 224: (3, 224, 224).

    Sizes and offsets are rounded as torchvision's Resize(256) and CenterCrop(224) do.
    """
    image = eight_bits(image).convert("RGB")
    short, long = sorted(image.size)
    resized = (RESIZED_SIDE, int(RESIZED_SIDE * long / short))
    size = resized if image.width <= image.height else resized[::-1]
    pixels = resize(image, size)
    left, top = (round((length - SIDE) / 2) for length in size)
    return pixels[top : top + SIDE, left : left + SIDE].transpose(2, 0, 1)


def resize(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the image at (width, height) as Pillow resizes it, bilinear: (height, width[, channels]).

    Where its arithmetic is exact too, torch's resize does the work in a third of the time.
    """
    if not all(map(torch_is_exact, image.size, size)):
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    import torch

    pixels = torch.from_numpy(np.array(image)).view(image.height, image.width, -1)
    resized = torch.nn.functional.interpolate(
        pixels.permute(2, 0, 1)[None], size=size[::-1], mode="bilinear", antialias=True
    )
    return resized[0].permute(1, 2, 0).squeeze(2).numpy()


def torch_is_exact(source: int, target: int) -> bool:
    """Return whether torch's fixed-point weights of an enlargement have no rounding.

    They are multiples of 1 / (2 × target / gcd); torch keeps at least 9 binary digits of them.
    """
    parts = target // math.gcd(source, target)
    return source <= target and parts <= 256 and parts.bit_count() == 1


TRANSFORMS: dict[str, Callable[[Image.Image], NDArray[np.uint8]]] = {"grey": grey, "colour": colour}


def normalise(pixels: "torch.Tensor") -> "torch.Tensor":
    """Return ImageNet normalisation of a uint8 batch (N, 3, H, W), in the order of ToTensor, Normalize."""
    import torch

    batch = pixels.float().div_(255)
    mean, std = (
        torch.tensor(values, device=pixels.device).view(1, 3, 1, 1)
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return batch.sub_(mean).div_(std)


def open_image(source: Any) -> Image.Image:
    """Open and decode an image file; the file is closed again."""
    with Image.open(source) as image:
        image.load()
        return image
