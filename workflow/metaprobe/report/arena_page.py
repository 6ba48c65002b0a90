"""The arena's page: whether scores of transferability, and advice, are worth their cost here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metaprobe.core.files import write_text
from metaprobe.report.arena_figures import advice_curves, orders
from metaprobe.report.layout import render
from metaprobe.report.style import Figure


def figures(judged: Mapping[str, Any]) -> list[Figure]:
    """Return a picture per target, and that of advice."""
    of_arena, of_advice = judged["sentences"]
    targets = dict.fromkeys(row["target"] for row in judged["arena"])
    found = [orders(judged["arena"], target, of_arena) for target in targets]
    return [*found, advice_curves(judged["advice"], of_advice)]


def write_arena(judged: Mapping[str, Any], page: str | Path, folder: str | Path) -> None:
    """Write the page, and each of its pictures as `<folder>/<name>.svg`."""
    pictures = figures(judged)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        write_text(Path(folder) / f"{picture.name}.svg", picture.svg)
    write_text(page, render("arena.html", figures=pictures, **judged))
