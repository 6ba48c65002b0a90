"""Pages that are written from the repository, or that name its parts: compared with it."""

import importlib
import re
import shutil
from pathlib import Path

import pytest
from checkouts import ROOT
from metaprobe.config.reading import read_strictly

from tools import pages

METHOD = (ROOT / "docs/method.md").read_text(encoding="utf-8")
MODULES = {
    path.stem: ".".join(path.relative_to(ROOT / "workflow").with_suffix("").parts)
    for path in sorted((ROOT / "workflow/metaprobe").rglob("*.py"))
}
CONFIGURATIONS = read_strictly(ROOT / "config/configurations.yaml")["configurations"]


@pytest.mark.parametrize("page", pages.TABLES)
def test_written_tables_are_those_of_the_repository(page: str) -> None:
    """A table gone stale; `python -m tools.pages` writes it anew."""
    text = (ROOT / page).read_text(encoding="utf-8")
    written = text
    for name, table in pages.TABLES[page].items():
        written = pages.replace_table(written, name, table())
    assert written == text


def test_command_writes_the_tables_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    """A command that leaves a stale table, or spoils what was written by hand."""
    (tmp_path / "docs").mkdir()
    shutil.copytree(ROOT / "config", tmp_path / "config")
    quick = {page: tables for page, tables in pages.TABLES.items() if page != "docs/backbones.md"}
    monkeypatch.setattr(pages, "TABLES", quick)
    for page, tables in quick.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in tables:
            text = pages.replace_table(text, name, "stale\n")
        (tmp_path / page).write_text(text, encoding="utf-8")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    pages.main()
    for page in quick:
        assert (tmp_path / page).read_bytes() == (ROOT / page).read_bytes()


def test_missing_marker_is_an_error() -> None:
    """A table that silently is no longer written."""
    with pytest.raises(ValueError, match="markers of modules"):
        pages.replace_table("<!-- modules -->\n", "modules", "")


def test_method_names_code_that_exists() -> None:
    """A function that was renamed, so that the claim can no longer be checked."""
    named = re.findall(r"`(\w+)\.(\w+)`", METHOD)
    named = [(module, name) for module, name in named if module in MODULES and name != "py"]
    assert len(named) > 30
    for module, name in named:
        assert hasattr(importlib.import_module(MODULES[module]), name), (
            module,
            name,
        )
    for path in re.findall(r"`((?:config|tests)/[\w./-]+)`", METHOD):
        assert (ROOT / path).exists(), path


def test_method_has_the_numbers_of_the_configuration() -> None:
    """A protocol that is described otherwise than it is run."""
    settings = read_strictly(ROOT / "config/config.yaml")
    assert f"up to {settings['train_images']:,} training and {settings['test_images']:,}" in METHOD
    assert f"| epochs | {settings['epochs']}, unless" in METHOD
    keys = ("learning_rate", "dropout_rate", "label_smoothing", "grad_clip")
    for name, entry in CONFIGURATIONS.items():
        cells = [f"`{name}`", *(str(entry.get(key, "")) for key in keys)]
        assert f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |") in METHOD
        assert (entry["optimizer"], entry["batch_size"]) == ("Adam", 64)
        assert entry["weight_decay"] == 0.0001


def test_method_has_the_transforms_of_the_data_sets() -> None:
    """A task described as grey that is read in colour."""
    tasks = read_strictly(ROOT / "config/datasets.yaml")["datasets"]
    grey = [name for name, entry in tasks.items() if entry["transform"] == "grey"]
    assert grey == list(tasks)[:14]
    assert (grey[0], grey[-1]) == ("MNIST", "FER2013")
    assert (list(tasks)[14], list(tasks)[-1]) == ("CIFAR10", "LFWPeople")


def test_design_has_a_stage_for_every_rule_and_no_other() -> None:
    """A rule that was added, renamed or taken away."""
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    rules = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "workflow/rules").glob("*.smk"))
    stages = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
    names = [name for stage in stages for name in re.findall(r"`(\w+)`", stage)]
    assert sorted(names) == sorted(re.findall(r"^rule (\w+):", rules, re.MULTILINE))
