"""The two transforms of the protocol are torchvision's, bit for bit, for whatever Pillow opens."""

from pathlib import Path

import numpy as np
import pytest
import torch
from entries import BACKBONES, weights_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from metaprobe.data.transforms import TRANSFORMS, colour, grey, normalise, open_image
from PIL import Image
from torchvision import transforms

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4, "LA": 2, "CMYK": 4, "1": 1, "P": 1}
SIZES = st.integers(5, 400)
MODES = st.sampled_from(list(CHANNELS))
SEEDS = st.integers(0, 2**32)

GREY = transforms.Compose([transforms.Grayscale(3), transforms.Resize((224, 224))])
COLOUR = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])


def picture(mode: str, width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise, with a random palette where the mode has one."""
    rng = np.random.default_rng(seed)
    size = (width, height)
    if mode == "1":
        return picture("L", width, height, seed).convert("1")
    image = Image.frombytes(mode, size, rng.bytes(width * height * CHANNELS[mode]))
    if mode == "P":
        image.putpalette(rng.bytes(768))
        if seed % 2:
            image.info["transparency"] = int(rng.integers(256))
    return image


def channels_first(image: Image.Image) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1)


@settings(deadline=None, max_examples=80)
@given(MODES, SIZES, SIZES, SEEDS)
@example("RGB", 224, 224, 0)
@example("P", 5, 400, 1)
def test_grey_is_torchvisions(mode: str, width: int, height: int, seed: int) -> None:
    """Resizing before greying, another filter, a crop, or another formula of luminance."""
    image = picture(mode, width, height, seed)
    pixels = grey(image)
    np.testing.assert_array_equal(pixels, channels_first(GREY(image)), strict=True)
    assert pixels.shape == (3, 224, 224)


@settings(deadline=None, max_examples=80)
@given(MODES, SIZES, SIZES, SEEDS)
@example("RGB", 256, 256, 0)
@example("RGB", 255, 257, 0)
@example("L", 400, 256, 0)
@example("RGBA", 5, 400, 0)
def test_colour_is_torchvisions(mode: str, width: int, height: int, seed: int) -> None:
    """A side or an offset rounded otherwise, width and height exchanged, a palette resized."""
    image = picture(mode, width, height, seed)
    pixels = colour(image)
    expected = channels_first(COLOUR(image.convert("RGB")))
    np.testing.assert_array_equal(pixels, expected, strict=True)
    assert pixels.shape == (3, 224, 224)


SMALL = (8, 16, 20, 28, 32, 48, 64, 96, 105, 128, 200, 224, 250, 256)


@pytest.mark.parametrize("width", SMALL)
@pytest.mark.parametrize("kind", ["noise", "black and white"])
def test_small_pictures_are_torchvisions_too(width: int, kind: str) -> None:
    """A fast resize that is off by one level, at sizes which random ones seldom hit."""
    for height in SMALL:
        pixels = np.asarray(picture("RGB", width, height))
        image = Image.fromarray(pixels if kind == "noise" else pixels // 128 * 255)
        for mode in ("RGB", "L"):
            small = image.convert(mode)
            np.testing.assert_array_equal(grey(small), channels_first(GREY(small)))
            expected = channels_first(COLOUR(small.convert("RGB")))
            np.testing.assert_array_equal(colour(small), expected)


def test_fast_resize_is_used_where_it_matters(monkeypatch) -> None:
    """A condition so strict that the fast way is never taken."""
    monkeypatch.setattr(Image.Image, "resize", lambda *_: pytest.fail("Pillow's resize"))
    for side in (32, 64, 96):
        colour(picture("RGB", side, side))


def test_transforms_leave_the_picture_alone() -> None:
    """A picture that is cached by its reader and changed by its first use."""
    image = picture("RGB", 300, 240)
    before = image.tobytes()
    grey(image)
    colour(image)
    assert image.tobytes() == before


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(1, 40), SEEDS)
def test_normalise_is_torchvisions(count: int, side: int, seed: int) -> None:
    """Another order of operations, whose last bits differ."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    before = pixels.copy()
    steps = [
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    one = transforms.Compose(steps)
    images = [Image.fromarray(image.transpose(1, 2, 0)) for image in pixels]
    expected = torch.stack([one(image) for image in images])
    assert torch.equal(normalise(torch.from_numpy(pixels)), expected)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("architecture", BACKBONES)
def test_protocol_is_that_of_the_weights(architecture: str) -> None:
    """Pixels prepared otherwise than those the published weights were trained on."""
    published = weights_of(architecture).transforms()
    image = picture("RGB", 320, 250)
    expected = transforms.Normalize(published.mean, published.std)(
        transforms.ToTensor()(COLOUR(image))
    )
    assert torch.equal(normalise(torch.from_numpy(np.stack([colour(image)])))[0], expected)
    assert published.crop_size == [224]
    assert published.resize_size == [256]


@pytest.mark.parametrize("suffix", ["png", "jpg", "ppm", "bmp", "gif", "tif", "webp"])
def test_opened_picture_needs_its_file_no_longer(tmp_path: Path, suffix: str) -> None:
    """Thousands of open files, or pixels that are decoded after the file was closed."""
    path = tmp_path / f"picture.{suffix}"
    picture("RGB", 30, 20).save(path)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    opened = open_image(path)
    path.unlink()
    np.testing.assert_array_equal(np.asarray(opened.convert("RGB")), expected)


def test_truncated_picture_is_an_error(tmp_path: Path) -> None:
    """The lower half of a picture filled with grey."""
    path = tmp_path / "picture.png"
    picture("RGB", 30, 20).save(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises((OSError, SyntaxError)):
        open_image(path)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
@pytest.mark.parametrize("transform", ["grey", "colour"])
def test_more_than_eight_bits_are_refused(mode: str, transform: str) -> None:
    """Medical or satellite pictures that Pillow clips to white, and a head trained on blanks."""
    with pytest.raises(ValueError, match="convert it to 8 bits"):
        TRANSFORMS[transform](Image.new(mode, (30, 40)))
