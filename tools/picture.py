"""The picture of the report in the README: `python -m tools.picture results/demo/report.html`."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tools.browser import browser

TO = Path(__file__).parent.parent / "docs" / "report.png"
COLOURS = 128  # of the picture, so that it stays below 200 kB


def main(report: Path, to: Path = TO) -> None:
    """Photograph the first screen of a report on light paper."""
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        tab.open(report.resolve(), 1280, 800)
        photograph = tab.photograph()
    with Image.open(io.BytesIO(photograph)) as picture:
        picture.convert("RGB").quantize(COLOURS).save(to, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
