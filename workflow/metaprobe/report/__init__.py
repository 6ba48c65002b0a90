"""The page for people."""

from pathlib import Path

TEMPLATE = Path(__file__).with_name("template.html")
