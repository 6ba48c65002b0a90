"""README.md and its Spanish translation, and the pages: in step, alive, and honest about costs."""

import math
import re

import pytest
import yaml
from checkouts import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SPANISH = (ROOT / "README.es.md").read_text(encoding="utf-8")
DESIGN = (ROOT / "docs/design.md").read_text(encoding="utf-8")
RUNNING = (ROOT / "docs/running.md").read_text(encoding="utf-8")
DOCS = sorted(ROOT.glob("docs/*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *DOCS, *ROOT.glob("config/*.md")])
# English where Spanish has a word, or two words for one thing.
NOT_SPANISH = (
    *("fichero", "dataset", "feature", "accurac", "epoch", "checkout", "tests?", "grid", "subset"),
    *("transfer learning", "meta-learning", "usted", "ustedes", "vosotros"),
)


def parts(text: str) -> tuple[list[str], str]:
    """The fenced blocks, fences included, and the text without them."""
    fenced = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    return fenced.findall(text), fenced.sub("", text)


def links(prose: str) -> list[str]:
    found = re.findall(r"\]\(([^)]+)\)", prose)
    return [link for link in found if link not in ("README.md", "README.es.md")]


def spans(prose: str) -> list[str]:
    return sorted(" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))


def anchors(text: str) -> set[str]:
    """What a link can lead to inside of a page: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", parts(text)[1], re.MULTILINE)
    bare = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in bare}


def test_translation_shows_the_same_commands_and_output_in_the_same_order() -> None:
    """A command that was changed in one language only."""
    assert parts(README)[0] == parts(SPANISH)[0]


@pytest.mark.parametrize("of", [links, spans, lambda prose: re.findall(r"^#+ |^\|", prose, re.M)])
def test_translation_has_the_same_links_names_sections_and_rows(of) -> None:
    """A part that was added in one language only."""
    assert of(parts(README)[1]) == of(parts(SPANISH)[1])


def test_languages_link_to_each_other_and_the_first_line_says_what_is_english() -> None:
    """A translation nobody finds; a reader who finds out page by page."""
    assert "](README.es.md)" in README.partition("\n## ")[0]
    first = SPANISH.splitlines()[0]
    assert "](README.md)" in first and "inglés" in first


def test_spanish_is_spanish() -> None:
    """Two words for one thing, and English ones."""
    prose = re.sub(r"`[^`]+`|(?:\[[^]]+\.md)?\]\([^)]+\)", "", parts(SPANISH)[1])
    assert re.findall(rf"\b(?:{'|'.join(NOT_SPANISH)})\w*", prose, re.IGNORECASE) == []


@pytest.mark.parametrize("text", [README, SPANISH])
def test_first_page_is_short_and_has_a_picture(text: str) -> None:
    """A first page that nobody reads to its end; a picture that is gone, or takes long to load."""
    assert len(text.splitlines()) <= 150
    assert "](docs/report.png)" in text
    assert 10_000 < (ROOT / "docs/report.png").stat().st_size < 200_000


@pytest.mark.parametrize(
    ("cost", "command"),
    [
        ("3.1 GB", "make demo"),
        ("6.3 GB", "make demo"),
        ("27.5 GB", "snakemake --cores 4"),
        ("58.4 GB", "snakemake --cores 4"),
    ],
)
def test_costs_are_told_before_the_command_that_causes_them(cost: str, command: str) -> None:
    """A download of hours, or a full disk, that comes as a surprise."""
    for text in README, SPANISH:
        assert 0 < text.index(cost) < text.index(f"```sh\n{command}\n")
    assert README.index("three hours of one core") < README.index("```sh\nsnakemake --cores 4\n")
    assert SPANISH.index("tres horas de un núcleo") < SPANISH.index("```sh\nsnakemake --cores 4\n")


def test_index_names_every_page() -> None:
    """A page nobody finds."""
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert "docs/README.md" in links(README)
    pages = {page.name for page in DOCS} - {"README.md"}
    assert pages <= set(links(index)), pages - set(links(index))


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_pages_begin_with_what_they_are_for(page) -> None:
    """A page whose reader finds a command, a table or a heading first, and must guess."""
    title, blank, first = page.read_text(encoding="utf-8").splitlines()[:3]
    assert title.startswith("# ") and not blank
    assert re.match(r"[A-Z]|`\w", first), first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page) -> None:
    """A file that was moved, or a heading that was renamed."""
    for link in re.findall(r"\]\(([^)]+)\)", parts(page.read_text(encoding="utf-8"))[1]):
        if "://" not in link:
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_diagram_names_rules() -> None:
    """A picture of a workflow that is no more."""
    (diagram,) = (block for block in parts(DESIGN)[0] if block.startswith("```mermaid"))
    rules = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "workflow/rules").glob("*.smk"))
    names = set(re.findall(r"\b[a-z]+(?:_[a-z]+)*(?=\[\"| -)", diagram))
    assert len(names) > 12
    for name in names:
        assert f"rule {name}:" in rules, name


def test_pages_count_what_is_declared() -> None:
    """A number of tasks or combinations that has changed since."""
    thirty, derived = (
        yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("datasets", "derived-300")
    )
    others = [yaml.safe_load(path.read_text()) for path in ROOT.glob("config/datasets-*.yaml")]
    more, many = sum(len(one["datasets"]) for one in others), len(derived["datasets"])
    assert f"{more} more data sets and {many} derived ones" in README
    assert f"{more} conjuntos más y {many} derivados" in SPANISH
    grid = yaml.safe_load((ROOT / "config/grid.yaml").read_text(encoding="utf-8"))["grid"]
    assert f"{math.prod(len(v) for v in grid.values() if isinstance(v, list)):,}" in RUNNING
    assert f"subset_index<br/>{len(thirty['datasets'])}" in DESIGN
    assert f"download<br/>{len(thirty['sources'])}" in DESIGN
