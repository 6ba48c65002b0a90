"""The picture of the README: of the first screen of a report, and small enough for a page."""

from pathlib import Path

import pytest
from PIL import Image

from tools import picture
from tools.browser import CHROMIUM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]


def test_first_screen_is_photographed(tmp_path: Path) -> None:
    """An empty picture, or one of another size than that of the README."""
    (tmp_path / "report.html").write_text("<body style='margin: 0; background: #00f'>")
    picture.main(tmp_path / "report.html", tmp_path / "report.png")
    with Image.open(tmp_path / "report.png") as taken, Image.open(picture.TO) as shown:
        assert taken.size == shown.size
        assert taken.convert("RGB").getpixel((5, 5)) == (0, 0, 255)
