"""FER2013: csv files with 2,304 grey values in one column, with and without the labels of the test part."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .counts import CLASSES, COUNTS
from .pictures import generator, mixed_labels, picture

CLASS_COUNT = CLASSES["FER2013"]


def faces(part: str, rng: np.random.Generator) -> Iterator[tuple[int, str]]:
    """Label and blank-separated 48 x 48 pixels of every picture."""
    for label in mixed_labels(COUNTS["FER2013"][part], CLASS_COUNT, rng).tolist():
        pixels = picture(label, CLASS_COUNT, (48, 48), 1, rng)
        yield label, " ".join(map(str, pixels.ravel().tolist()))


def write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_fer2013(data: Path) -> None:
    """fer2013.csv; the test part is its PublicTest and PrivateTest rows."""
    rng = generator("fer2013")
    lines = ["emotion,pixels,Usage"]
    lines += [f"{label},{pixels},Training" for label, pixels in faces("train", rng)]
    half = COUNTS["FER2013"]["test"] // 2
    for number, (label, pixels) in enumerate(faces("test", rng)):
        lines.append(f"{label},{pixels},{'PublicTest' if number < half else 'PrivateTest'}")
    write_lines(data / "fer2013" / "fer2013.csv", lines)


def write_fer2013_without_test_labels(data: Path) -> None:
    """train.csv and test.csv, the same pictures; test.csv has pixels only."""
    rng = generator("fer2013")
    train = [f'{label},"{pixels}"' for label, pixels in faces("train", rng)]
    test = [f'"{pixels}"' for _, pixels in faces("test", rng)]
    write_lines(data / "fer2013" / "train.csv", ["emotion,pixels", *train])
    write_lines(data / "fer2013" / "test.csv", ["pixels", *test])
