"""Two runs against each other: what is called moved, and what noise explains."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metaprobe.__main__ import main
from metaprobe.exchange.compare import Row, _corrected, _of_pairs, _of_two, compare, welch_p
from metaprobe.exchange.compared_text import in_words, write_page
from metaprobe.exchange.holdings import holdings
from metaprobe.tables.statistics import difference, mid_p
from travelling import TASKS, write_run

WORDS = ("fragment", "predictions")


def compared(first: Path, second: Path) -> Any:
    held = [holdings(one, one, WORDS) for one in (first, second)]
    return compare(*held, (first.name, second.name))


def said(right: list[list[int]]) -> dict[str, Any]:
    """Predictions of some replicates that are right where there is a 1."""
    return {"predicted_class": np.array(right), "true_class": np.ones(len(right[0]), int)}


def test_the_same_run_again_is_the_same(tmp_path: Path) -> None:
    """Seconds that count as a difference."""
    found = compared(write_run(tmp_path / "a"), write_run(tmp_path / "b"))
    assert {one.verdict for one in found.rows} == {"same"}
    assert len(found.rows) == 4
    assert not found.settings
    assert "No setting differs." in in_words(found)


def test_what_moved_and_the_setting_that_did_it_are_told(tmp_path: Path) -> None:
    """A drop to chance that is called noise, or no word on what differs."""
    first = write_run(tmp_path / "a", replicates=3)
    second = write_run(tmp_path / "b", TASKS[:1], moved=50.0, engine="openvino", replicates=3)
    found = compared(first, second)
    assert [(one.task_id, one.paired) for one in found.rows] == [("Birds", True)] * 2
    assert ("engine/name", "torch", "openvino", 2) in found.settings
    assert found.alone == ([("Fish", "plain"), ("Fish", "regularized")], [])
    text = in_words(found)
    assert "Only a has 2: Fish/plain, Fish/regularized" in text
    assert "With one replicate" not in text


def test_other_images_are_compared_as_two_samples(tmp_path: Path) -> None:
    """A paired test of images that are not the same."""
    found = compared(write_run(tmp_path / "a"), write_run(tmp_path / "b", drawn=1))
    assert not any(one.paired for one in found.rows)
    assert all(one.low <= one.difference <= one.high for one in found.rows)
    assert "Of 4 experiments the test images differ" in in_words(found)
    assert any(name == "subset_sha256" for name, *_ in found.settings)


def test_pairs_are_judged_as_configurations_of_a_task_are() -> None:
    """Another test for the same question than in comparisons.csv."""
    first, second = said([[1, 1, 1, 0, 1, 1]]), said([[1, 0, 0, 0, 0, 0]])
    apart = np.array([0, -1, -1, 0, -1, -1])
    assert _of_pairs(first, second) == (*difference(apart.astype(float)), mid_p(apart))


def test_numbers_of_replicates_may_differ() -> None:
    """Sums over three heads against those of one."""
    first, second = said([[1, 1, 0, 0]]), said([[1, 0, 0, 1], [1, 1, 0, 1]])
    units = np.array([0, -1, 0, 2])
    assert _of_pairs(first, second) == (*difference(units / 2), mid_p(units))


def test_two_samples_are_judged_by_published_numbers() -> None:
    """The interval the wrong way round. Newcombe 1998, table II, case (a): 56/70 and 48/80."""
    one = {"test_accuracy": 48 / 80, "test_images": 80}
    other = {"test_accuracy": 56 / 70, "test_images": 70}
    low, high, p = _of_two(one, other)
    assert (low, high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    assert p < 0.05
    assert _of_two(one, one)[2] == 1.0


def test_seeds_explain_what_lies_within_their_spread() -> None:
    """A difference between two seeds that is called a change of the engine."""
    assert welch_p([0.5], [0.9]) is None
    assert (welch_p([0.5, 0.7, 0.6], [0.65, 0.6, 0.55]) or 0) > 0.5
    assert (welch_p([0.50, 0.51, 0.52], [0.70, 0.71, 0.72]) or 1) < 0.001
    assert welch_p([0.5, 0.5], [0.5, 0.5]) == 1.0
    assert welch_p([0.5, 0.5], [0.6, 0.6]) == 0.0


def a_row(name: str, images_p: float, seeds_p: float | None) -> Row:
    return Row("Birds", name, 0.5, 0.6, 0.0, 0.0, 0.2, images_p, seeds_p, paired=True, same=False)


def test_neither_images_nor_seeds_may_explain_it_and_all_are_counted() -> None:
    """One chance in twenty per experiment; or the smaller of two p-values."""
    rows = _corrected([a_row("a", 0.001, 0.02), a_row("b", 0.001, None), a_row("c", 0.03, 0.9)])
    assert [(one.configuration, one.holm_p) for one in rows] == [
        ("b", 0.003),
        ("a", 0.04),
        ("c", 0.9),
    ]
    assert [one.verdict for one in rows] == ["moved", "moved", "not told apart"]
    many = _corrected([a_row(str(number), 0.01, None) for number in range(20)])
    assert {one.verdict for one in many} == {"not told apart"}


def test_noise_is_seldom_called_moved() -> None:
    """A test that is too sure: two runs whose images are right by chance, of equal accuracy."""
    rng = np.random.default_rng(0)
    pairs = rng.random((200, 2, 200)) < 0.7
    p = [_of_pairs(said([one]), said([other]))[2] for one, other in pairs]
    assert np.mean(np.array(p) < 0.05) < 0.09


def test_the_page_escapes_names_and_loads_nothing(tmp_path: Path) -> None:
    """A folder's name that runs as a script, or a page that asks a server."""
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b", drawn=1)
    found = compare(
        *(holdings(one, one, WORDS) for one in (first, second)), ("<script>x</script>", "b")
    )
    write_page(found, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<script>x" not in text
    assert "http://" not in text and "https://" not in text
    assert text.count("<caption>") == 2


@pytest.mark.parametrize(
    "command",
    ["compare results results-of-seed-1", "compare results ~/old/results --page compare.html"],
)
def test_command_compares_two_folders(
    tmp_path: Path, monkeypatch: Any, capsys: Any, command: str
) -> None:
    """A command of the pages that reads other folders than it is given, or writes no page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    arguments = command.replace("~", str(tmp_path)).split()
    write_run(Path(arguments[1]))
    write_run(Path(arguments[2]), seed=1)
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "Of 4 experiments that" in said and "seed" in said
    page = Path("compare.html")
    assert page.is_file() == ("--page" in arguments) == ("The same as a page" in said)


def test_the_page_replaces_only_a_page_of_a_comparison(tmp_path: Path, capsys: Any) -> None:
    """A report, or results, overwritten by a page."""
    first, second = str(write_run(tmp_path / "a", TASKS[:1])), str(tmp_path / "b")
    write_run(Path(second), TASKS[:1], drawn=1)
    page = tmp_path / "compare.html"
    for _ in range(2):
        assert main(["compare", first, second, "--page", str(page)]) == 0
    capsys.readouterr()
    page.write_text("<p>my notes</p>")
    (tmp_path / "pages.html").mkdir()
    for name, told in {
        "compare.html": "is there already and is not a page of `metaprobe compare`",
        "a/metrics/Birds/plain.json": "does not end in .html: name it plain.json.html",
        "pages.html": "is a folder: name a file in it",
    }.items():
        assert main(["compare", first, second, "--page", str(tmp_path / name)]) == 1
        said = capsys.readouterr()
        assert said.err.startswith(f"compare: {tmp_path / name} {told}") and not said.out
    assert page.read_text() == "<p>my notes</p>"
