"""Report, arena and comparison in Chromium: nothing cut, all legible, short, quick, reached by keys."""

import io
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.colors
import numpy as np
import pytest
from metaprobe.exchange.compare import compare
from metaprobe.exchange.compared_text import write_page
from metaprobe.exchange.holdings import holdings
from metaprobe.recommend.arena.advice_rows import COLUMNS as ADVICE_COLUMNS
from metaprobe.recommend.arena.replay import METHODS
from metaprobe.report.arena_page import write_arena
from metaprobe.report.page import write_report
from metaprobe.report.style import DARK_PAPER, PAPER
from PIL import Image
from planted_runs import lifelike
from test_arena import rows_of
from travelling import TASKS, write_run

from tools.browser import CHROMIUM, Browser, browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]
# So many warnings as weak configurations of a large run can bring.
MANY = {
    "checks": [
        {
            "name": "above_majority",
            "severity": "warning",
            "checked": True,
            "findings": [
                {"task_id": f"Task{i}", "configuration": "plain", "message": "0.10, guessing 0.20"}
                for i in range(400)
            ],
        }
    ],
    "table": "target_representations.csv",
    "rows": 2736,
    "experiments": 2736,
}
FAILED = [(1, 1), (2, 3), (4, 0), (4, 1), (9, 5), (20, 2), (29, 5)]
RUNS: dict[str, Any] = {
    "30 x 6": lambda: lifelike(30, 6),
    "57 x 48": lambda: lifelike(57, 48, validation=MANY),
    "1 x 6": lambda: lifelike(1, 6),
    "7 failed": lambda: lifelike(30, 6, missing=FAILED),
    "377 x 6": lambda: lifelike(377, 6),
}
SCREEN = 800
# Of all text that is shown: the least contrast to what is behind it, and what is cut.
MEASURE = """(() => {
  const parse = colour => (colour.match(/[\\d.]+/g) || [0, 0, 0]).map(Number);
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = 99, where = "", cut = [];
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement, box = one.getBoundingClientRect();
    if (!walker.currentNode.data.trim() || !box.width || box.right < 0) continue;
    if (["SCRIPT", "STYLE"].includes(one.tagName)) continue;
    const pair = [parse(getComputedStyle(one).color), behind(one)].map(luminance).sort((a, b) => a - b);
    const contrast = (pair[1] + 0.05) / (pair[0] + 0.05);
    if (contrast < least) { least = contrast; where = one.textContent; }
    if (!one.closest(".scroller") && (box.right > innerWidth + 1 || one.scrollWidth > one.clientWidth + 1
        && getComputedStyle(one).display !== "inline")) cut.push(one.textContent);
  }
  const frames = [...document.querySelectorAll(".scroller")];
  return {
    least, where, cut,
    width: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight,
    fades: frames.every(f => f.classList.contains("more") === (f.scrollWidth - f.clientWidth > 1)),
    pictures: [...document.images].map(i => i.naturalWidth > 0 && (i.closest(".scroller") !== null
      || i.getBoundingClientRect().right <= innerWidth)),
    captions: [...document.querySelectorAll("table")].every(t => t.caption),
    landmarks: ["header", "nav", "main", "footer"].map(n => document.querySelectorAll("body > " + n).length),
    longest: Math.max(...[...document.querySelectorAll("tbody")].map(
      b => [...b.rows].filter(r => !r.hidden).length)),
  };
})()"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of each planted run."""
    folder = tmp_path_factory.mktemp("pages")
    files = {name: folder / f"{name}.html" for name in RUNS}
    for name, file in files.items():
        write_report(RUNS[name](), file, folder / name)
    return files | {"a comparison": compared(folder), "the arena": judged(folder)}


def compared(folder: Path) -> Path:
    """The page of two runs, of which one has fewer data sets and another engine."""
    held = [
        write_run(folder / "a", replicates=3),
        write_run(folder / "b", TASKS[:1], moved=50.0, engine="openvino", replicates=3),
    ]
    words = ("fragment", "predictions")
    found = compare(*(holdings(one, one, words) for one in held), ("a", "b"))
    write_page(found, folder / "compare.html")
    return folder / "compare.html"


def judged(folder: Path) -> Path:
    """The arena's page: scores of drawn runs, and drawn advice."""
    rng = np.random.default_rng(0)
    advice = [
        dict.fromkeys(ADVICE_COLUMNS, 1.0)
        | {"method": method, "budget": budget, "share_with_model": budget}
        | {"behind_everything_points": rng.uniform(), "behind_low": -0.5, "behind_high": 1.5}
        for method, budget in product(METHODS, (0.05, 0.2, 1.0))
    ]
    sentences = ["No metric is better: no difference that this table can show."] * 2
    content = {"arena": list(rows_of().values()), "advice": advice, "sentences": sentences}
    write_arena(content | {"notes": []}, folder / "arena.html", folder / "arena")
    return folder / "arena.html"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as shown:
        yield shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_and_all_is_legible(
    pages: dict[str, Path], tab: Browser, width: int, scheme: str
) -> None:
    """A page wider than a telephone, words that leave their box, grey words on grey."""
    for name, file in pages.items():
        tab.open(file, width, SCREEN, scheme)
        found = tab.evaluate(MEASURE)
        assert found["width"] <= width, name
        assert found["cut"] == [], name
        assert found["least"] >= 4.5, (name, found["where"])
        assert found["fades"], name
        assert all(found["pictures"]), name
        assert found["captions"]
        assert found["landmarks"] == [1, 1, 1, 1]
        assert found["longest"] <= 200


@pytest.mark.parametrize(("scheme", "paper"), [("light", PAPER), ("dark", DARK_PAPER)])
def test_pictures_follow_the_reader(
    pages: dict[str, Path], tab: Browser, scheme: str, paper: str
) -> None:
    """White pictures on a dark page."""
    tab.open(pages["1 x 6"], 1280, SCREEN, scheme)
    where = "(b => [b.x + 2, b.y + 2])(document.images[0].getBoundingClientRect())"
    point = [int(one) for one in tab.evaluate(where)]
    with Image.open(io.BytesIO(tab.photograph(whole=True))) as photograph:
        shade = photograph.convert("RGB").getpixel((point[0], point[1]))
    assert isinstance(shade, tuple)
    assert matplotlib.colors.to_hex([one / 255 for one in shade]) == paper


def test_a_large_run_is_short_and_quick(pages: dict[str, Path], tab: Browser) -> None:
    """2,736 rows under each other: a page that takes seconds to open and paper by the ream."""
    tab.open(pages["57 x 48"], 1280, SCREEN)
    assert tab.cpu_seconds < 1
    assert tab.evaluate(MEASURE)["height"] <= 20 * SCREEN
    assert "and 390 more" in tab.evaluate("document.querySelector('#validation').textContent")
    assert len(re.findall(rb"/Type\s*/Page\b", tab.print())) <= 20


@pytest.mark.parametrize("name", ["57 x 48", "377 x 6"])
def test_a_telephone_scrolls_no_further(pages: dict[str, Path], tab: Browser, name: str) -> None:
    """Hundreds of data sets, each with a row of a picture and a panel of its own."""
    tab.open(pages[name], 390, SCREEN)
    assert tab.evaluate(MEASURE)["height"] <= 20 * SCREEN


def test_tables_sort_filter_and_turn(pages: dict[str, Path], tab: Browser) -> None:
    """Numbers sorted as words; a filter that looks at one page only."""
    tab.open(pages["57 x 48"])
    rows = "[...document.querySelectorAll('#experiments tbody tr')].filter(r => !r.hidden)"
    tab.evaluate("document.querySelectorAll('#experiments th button')[3].click()")
    found = [float(one) for one in tab.evaluate(f"{rows}.map(r => r.cells[3].textContent)")]
    assert len(found) == 50
    assert found == sorted(found)
    tab.evaluate("[...document.querySelectorAll('#experiments .controls button')].at(-1).click()")
    following = [float(one) for one in tab.evaluate(f"{rows}.map(r => r.cells[3].textContent)")]
    assert following[0] >= found[-1]
    tab.evaluate(
        "(f => { f.value = 'task56'; f.dispatchEvent(new Event('input')); })"
        "(document.querySelector('#experiments input'))"
    )
    assert tab.evaluate(f"{rows}.length") == 48
    assert "48 of 2736 rows" in tab.evaluate(
        "document.querySelector('#experiments [role=status]').textContent"
    )


def test_keys_reach_everything(pages: dict[str, Path], tab: Browser) -> None:
    """A table that only a mouse can sort; a focus that cannot be seen."""
    tab.open(pages["30 x 6"])
    where = """(() => { const on = document.activeElement, style = getComputedStyle(on);
      return [on.tagName, on.closest("section")?.id, parseFloat(style.outlineWidth) > 1
        && style.outlineStyle !== "none"]; })()"""
    reached = []
    for _ in range(60):
        tab.press("Tab")
        reached.append(tuple(tab.evaluate(where)))
        if reached[-1][:2] == ("BUTTON", "tasks"):
            break
    assert ("INPUT", "tasks") in [one[:2] for one in reached]
    assert reached[-1][:2] == ("BUTTON", "tasks")
    assert all(visible for _, _, visible in reached)
    tab.press("Enter")
    assert tab.evaluate("document.activeElement.closest('th').ariaSort") == "ascending"


def test_nothing_was_asked_of_anybody(tab: Browser) -> None:
    """A font, a picture or a script from elsewhere."""
    assert tab.requests
    assert all(one.startswith(("file:", "data:", "about:")) for one in tab.requests)
