"""The pages for people."""

from pathlib import Path

TEMPLATE = Path(__file__).with_name("template.html")
ARENA_TEMPLATE = Path(__file__).with_name("arena.html")
