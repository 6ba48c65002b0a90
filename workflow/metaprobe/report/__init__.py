"""The pages for people."""

from pathlib import Path

FOLDER = Path(__file__).parent
SHARED = tuple(FOLDER / name for name in ("base.html", "parts.html", "style.css", "tables.js"))
REPORT = (FOLDER / "template.html", *SHARED)
ARENA = (FOLDER / "arena.html", *SHARED)
