"""From a PIL image to what a backbone sees: two transforms, each for every preprocessing."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    import torch

SIDE = 224
RESIZED_SIDE = 256
THINNEST = 100  # times as long as wide
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """How pictures are prepared for a backbone.

    Attributes:
        size: side of the square that the backbone sees.
        resized: what the shorter side is resized to before the centre of `size` is cut out.
        squash: the whole picture is resized to a square of `resized`, its shape notwithstanding.
        interpolation: Pillow's filter, in small letters.
        mean, std: of the channels, of values in [0, 1].
    """

    size: int = SIDE
    resized: int = RESIZED_SIDE
    squash: bool = False
    interpolation: str = "bilinear"
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD

    def __str__(self) -> str:
        """Return `protocol`, or all of it in words."""
        if self == PROTOCOL:
            return "protocol"
        shape = "squashed to" if self.squash else "cut from"
        channels = "; ".join(
            ", ".join(f"{one:g}" for one in ones) for ones in (self.mean, self.std)
        )
        return f"{self.size} {shape} {self.resized}, {self.interpolation}, {channels}"


PROTOCOL = Preprocessing()


def usable(image: Image.Image) -> Image.Image:
    """Return the image, if it can be prepared: it has 8 bits a channel, which Pillow would otherwise clip
    to white without a word, and is not so thin that it would take gigabytes when it is resized.

    Raises:
        ValueError: it cannot.
    """
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its mode is {image.mode}: convert it to 8 bits a channel")
    short, long = sorted(image.size)
    if long > THINNEST * short:
        raise ValueError(
            f"its sides are {short} and {long} pixels: cut it to at most 1 : {THINNEST}"
        )
    return image


def grey(image: Image.Image, to: Preprocessing = PROTOCOL) -> NDArray[np.uint8]:
    """Return one luminance channel three times, all of it in a square: (3, size, size)."""
    channel = resize(usable(image).convert("L"), (to.size, to.size), to.interpolation)
    return np.broadcast_to(channel, (3, to.size, to.size))


def colour(image: Image.Image, to: Preprocessing = PROTOCOL) -> NDArray[np.uint8]:
    """Return RGB, resized, and its centre: (3, size, size).

    Sizes and offsets are rounded as torchvision's Resize and CenterCrop do.
    """
    image = usable(image).convert("RGB")
    short, long = sorted(image.size)
    resized = (to.resized, to.resized if to.squash else int(to.resized * long / short))
    size = resized if image.width <= image.height else resized[::-1]
    pixels = resize(image, size, to.interpolation)
    left, top = (round((length - to.size) / 2) for length in size)
    return pixels[top : top + to.size, left : left + to.size].transpose(2, 0, 1)


def resize(image: Image.Image, size: tuple[int, int], interpolation: str) -> NDArray[np.uint8]:
    """Return the image at (width, height) as Pillow resizes it: (height, width[, channels]).

    Where its arithmetic is exact too, torch's resize does the work in a third of the time.
    """
    if interpolation != "bilinear" or not all(map(torch_is_exact, image.size, size)):
        return np.asarray(image.resize(size, Image.Resampling[interpolation.upper()]))
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


Transform = Callable[[Image.Image, Preprocessing], NDArray[np.uint8]]
TRANSFORMS: dict[str, Transform] = {"grey": grey, "colour": colour}


def normalise(pixels: "torch.Tensor", to: Preprocessing = PROTOCOL) -> "torch.Tensor":
    """Return a uint8 batch (N, 3, H, W) normalised, in the order of ToTensor and Normalize."""
    import torch

    batch = pixels.float().div_(255)
    mean, std = (
        torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (to.mean, to.std)
    )
    return batch.sub_(mean).div_(std)


def open_image(source: Any) -> Image.Image:
    """Open and decode an image file; the file is closed again."""
    with Image.open(source) as image:
        image.load()
        return image
