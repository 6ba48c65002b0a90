"""A fourth data set for the demo: pieces of the two photographs that come with scikit-learn.

`python -m metaprobe.demo.photographs <folder>` writes class folders as a user has them.
"""

import sys
from pathlib import Path

from PIL import Image

from metaprobe.core.randomness import generator

SIDE = 96
PIECES = 50
PHOTOGRAPHS = {"china.jpg": "temple", "flower.jpg": "dahlia"}


def write_pieces(folder: Path) -> None:
    """Write 50 square pieces of each photograph's upper and lower half; they may overlap."""
    from sklearn.datasets import load_sample_image

    for file, name in PHOTOGRAPHS.items():
        photograph = load_sample_image(file)
        middle = len(photograph) // 2
        for half, rows in (("above", photograph[:middle]), ("below", photograph[middle:])):
            draws = generator(0, name, half)
            inner = folder / f"{name} {half}"
            inner.mkdir(parents=True, exist_ok=True)
            for number in range(PIECES):
                top, left = draws.integers(0, (len(rows) - SIDE, rows.shape[1] - SIDE))
                piece = rows[top : top + SIDE, left : left + SIDE]
                Image.fromarray(piece).save(inner / f"{number}.png")


if __name__ == "__main__":
    write_pieces(Path(sys.argv[1]))
