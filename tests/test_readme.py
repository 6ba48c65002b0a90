"""README.md and its Spanish translation, and the links of all pages."""

import math
import re

import pytest
import yaml
from checkouts import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SPANISH = (ROOT / "README.es.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.md")])


def parts(text: str) -> tuple[list[str], str]:
    """The fenced blocks, fences included, and the text without them."""
    fenced = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    return fenced.findall(text), fenced.sub("", text)


def links(prose: str) -> list[str]:
    found = re.findall(r"\]\(([^)]+)\)", prose)
    return [link for link in found if link not in ("README.md", "README.es.md")]


def test_translation_shows_the_same_commands_and_output_in_the_same_order() -> None:
    """A command that was changed in one language only."""
    assert parts(README)[0] == parts(SPANISH)[0]


def test_languages_link_to_each_other() -> None:
    """A translation nobody finds."""
    assert "](README.es.md)" in README and "](README.md)" in SPANISH


def test_readme_names_every_page() -> None:
    """A page nobody finds."""
    pages = {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")}
    assert pages <= set(links(README)), pages - set(links(README))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page) -> None:
    """A file that was moved or renamed."""
    for link in re.findall(r"\]\(([^)]+)\)", parts(page.read_text(encoding="utf-8"))[1]):
        if "://" not in link:
            assert (page.parent / link.partition("#")[0]).exists(), link


def test_diagram_names_rules() -> None:
    """A picture of a workflow that is no more."""
    (diagram,) = (block for block in parts(README)[0] if block.startswith("```mermaid"))
    rules = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "workflow/rules").glob("*.smk"))
    names = set(re.findall(r"\b[a-z]+(?:_[a-z]+)*(?=\[\"| -)", diagram))
    assert len(names) > 12
    for name in names:
        assert f"rule {name}:" in rules, name


def test_readme_counts_what_is_declared() -> None:
    """A number of tasks or combinations that has changed since."""
    extended, thirty = (
        yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("datasets-extended", "datasets")
    )
    assert f"adds {len(extended['datasets'])} tasks" in README
    grid = yaml.safe_load((ROOT / "config/grid.yaml").read_text(encoding="utf-8"))["grid"]
    assert f"{math.prod(len(v) for v in grid.values() if isinstance(v, list)):,}" in README
    assert f"subset_index<br/>{len(thirty['datasets'])}" in README
    assert f"download<br/>{len(thirty['sources'])}" in README
