"""`snakemake arena`: the whole way from cached features to the page, as a user runs it."""

import json
from pathlib import Path

import pandas as pd
import pytest
from checkouts import ROOT, TINY, ask, planned, run_tiny, write_pictures
from metaprobe.recommend.arena.advice_rows import COLUMNS as ADVICE_COLUMNS
from metaprobe.recommend.arena.judgement import COLUMNS
from metaprobe.recommend.transferability import COMBINED, METRICS

pytestmark = pytest.mark.slow
NAMES = ["resnet18-plain", "mobilenetv2-plain", "efficientnetb0-plain"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Path:
    """A run of two data sets and three backbones, and its arena."""
    folder = tmp_path_factory.mktemp("arena") / "checkout"
    run_tiny(folder, "arena", only_configurations=NAMES, described_by=["ResNet18"])
    return folder


def test_arena_has_every_ranker_and_is_documented(judged: Path) -> None:
    """A metric that got lost on the way, or a column that no page explains."""
    arena = pd.read_csv(judged / "results/arena.csv")
    assert tuple(arena.columns) == COLUMNS
    parts = {name for names, _ in COMBINED.values() for name in names}
    assert {*METRICS} - parts | {*COMBINED} <= set(arena.ranker)
    assert {"parameters", "gflop", "mean_rank", "logme_of_another_task"} <= set(arena.ranker)
    advice = pd.read_csv(judged / "results/advice_evaluation.csv")
    assert tuple(advice.columns) == ADVICE_COLUMNS
    for page, columns in (("arena.md", COLUMNS), ("advice.md", ADVICE_COLUMNS)):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        for column in columns:
            assert f"`{column.removesuffix('_low').removesuffix('_high')}`" in text or (
                column.startswith("behind_")
            ), column


def test_too_little_is_said_to_be_too_little(judged: Path) -> None:
    """A verdict from two data sets that sounds like one from thirty."""
    told = json.loads((judged / "results/arena.json").read_text())
    assert any("no test can fall below 0.05" in note for note in told["notes"])
    assert any("chosen on the test images" in note for note in told["notes"])
    page = (judged / "results/arena.html").read_text()
    assert all(sentence in page for sentence in map(escaped, told["sentences"]))


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("'", "&#39;").replace(">", "&gt;")


def test_nothing_is_done_twice(judged: Path) -> None:
    """An arena that scores again at each start, or that belongs to the default run."""
    chosen = ("--config", f"only_configurations=[{','.join(NAMES)}]")
    assert planned(judged, *TINY, *chosen, "--", "arena") == {}
    assert (judged / "results/arena_figures/advice.svg").is_file()


def test_advice_learns_from_the_table(judged: Path) -> None:
    """An advice that overlooks the finished tasks beside it, or reads them in another order."""
    write_pictures(judged / "birds")
    chosen = ("--config", f"only_configurations=[{','.join(NAMES)}]")
    done = ask(judged, "advise", "birds", *TINY, *chosen, "--budget", "25s", "--cores", "1")
    assert done.returncode == 0, done.stderr
    assert "learned from 2 families" in done.stdout
