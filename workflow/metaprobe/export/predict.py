"""Say what is on pictures: `python predict.py picture.jpg folder/ ...`, with --csv as a table.

It needs onnxruntime, numpy and Pillow, and beside it model.onnx, classes.json and card.json.
"""

import argparse
import csv
import importlib.util
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

try:
    import numpy as np
    import onnxruntime
    from PIL import Image, ImageOps
except ImportError as error:
    sys.exit(f"{error}: pip install onnxruntime numpy pillow")

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif"}
SUFFIXES |= {".jfif", ".avif", ".jp2", ".j2k", ".heic", ".heif"}  # where Pillow opens them
ORIENTATION = 0x0112  # of EXIF
THINNEST = 100  # times as long as wide: resized, a thinner picture would take gigabytes


class Model:
    """The model of a folder: its classes, and how pictures are prepared for it."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.classes: list[str] = json.loads((folder / "classes.json").read_text("utf-8"))
        card = json.loads((folder / "card.json").read_text("utf-8"))
        self.preprocessing: dict[str, Any] = card["preprocessing"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads  # 0: as many as there are processors
        options.log_severity_level = 3  # errors only
        file, providers = str(folder / "model.onnx"), ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(file, options, providers=providers)

    def __call__(self, picture: Image.Image) -> tuple[int, "np.ndarray[Any, Any]"]:
        """Return the number of the likeliest class, and the probabilities of all of them (C,)."""
        pixels = prepare(picture, self.preprocessing)
        logits, probabilities = self.session.run(None, {"pixels": pixels[None]})
        return int(logits[0].argmax()), probabilities[0]


def open_picture(file: Path, upright: bool) -> Image.Image:
    """Return a decoded picture, turned as its EXIF orientation says."""
    with Image.open(file) as picture:
        picture.load()
    if not upright or picture.getexif().get(ORIENTATION, 1) == 1:
        return picture
    return ImageOps.exif_transpose(picture)


def check(picture: Image.Image) -> None:
    """See that a picture can be prepared; ValueError if not, as in training."""
    if picture.mode.startswith(("I", "F")):  # Pillow would clip it to white without a word
        raise ValueError(f"its mode is {picture.mode}: convert it to 8 bits a channel")
    short, long = sorted(picture.size)
    if long > THINNEST * short:
        raise ValueError(
            f"its sides are {short} and {long} pixels: cut it to at most 1 : {THINNEST}"
        )


def prepare(picture: Image.Image, how: dict[str, Any]) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Return a picture as the model sees it: (3, S, S) uint8; the whole of it in grey, or in colour
    its middle.
    """
    check(picture)
    side, resized = how["size"], how["resized"]
    filter_ = Image.Resampling[how["interpolation"].upper()]
    if how["transform"] == "grey":
        channel = np.asarray(picture.convert("L").resize((side, side), filter_))
        return np.repeat(channel[None], 3, axis=0)
    picture = picture.convert("RGB")
    short, long = sorted(picture.size)
    size = (resized, resized if how["squash"] else int(resized * long / short))
    size = size if picture.width <= picture.height else size[::-1]
    pixels = np.asarray(picture.resize(size, filter_))
    left, top = (round((length - side) / 2) for length in size)
    return np.ascontiguousarray(pixels[top : top + side, left : left + side].transpose(2, 0, 1))


def find(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files, and the pictures in folders, at any depth, sorted; hidden ones are passed over."""
    for path in paths:
        yield from sorted(pictures_in(path)) if path.is_dir() else [path]


def pictures_in(folder: Path) -> Iterator[Path]:
    """Yield the pictures in a folder at any depth, linked folders too, but each folder once."""
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        new = os.path.realpath(parent) not in seen
        seen.add(os.path.realpath(parent))
        folders[:] = sorted(name for name in folders if new and not name.startswith("."))
        for file in (Path(parent, name) for name in files if new and not name.startswith(".")):
            if file.suffix.lower() in SUFFIXES and file.is_file():
                yield file


def main(arguments: Sequence[str] | None = None, folder: Path = Path(__file__).parent) -> int:
    """Print path, class and probability of each picture; return 1 if one cannot be read, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path, metavar="PICTURE_OR_FOLDER")
    parser.add_argument("--csv", action="store_true", help="print a table: path,class,probability")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of names that the console cannot show
    if importlib.util.find_spec("pillow_heif"):  # for pictures of some telephones
        importlib.import_module("pillow_heif").register_heif_opener()
    model = Model(folder)
    table = csv.writer(sys.stdout, lineterminator="\n") if options.csv else None
    if table:
        table.writerow(["path", "class", "probability"])
    found = broken = 0
    for file in find(options.paths):
        found += 1
        try:
            number, probabilities = model(open_picture(file, model.preprocessing["upright"]))
        except Exception as error:  # a damaged picture can make its decoder raise anything
            reason = str(error) or type(error).__name__
            print(f"{file}: cannot be read ({reason})", file=sys.stderr)
            broken += 1
            continue
        row = [str(file), model.classes[number], f"{probabilities[number]:.4f}"]
        table.writerow(row) if table else print(*row, sep="\t")
    if not found:
        print("there is no picture in", *options.paths, file=sys.stderr)
    return int(broken > 0 or not found)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever reads has read enough
        os._exit(1)
