"""The report: true numbers, everything escaped, nothing asked of anybody, readable on a phone."""

import base64
import html
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fragments
import numpy as np
import pytest
from metaprobe.core.files import with_checksum, write_checked_json
from metaprobe.core.parquet import write_parquet
from metaprobe.operations.status import State, read_experiments
from metaprobe.recommend.portfolio import portfolio_rows, to_json
from metaprobe.report.data import Run, compare, hours, partial_run, read_run
from metaprobe.report.page import figures, page, write_partial_report, write_report
from metaprobe.report.style import labels, whiskers
from metaprobe.tables.collect import collect
from planted_tables import planted

ATTACK = "<script>alert(1)</script>\"'&--><img src=x onerror=alert(1)>$\\frac{1}{0}$"
ARCHITECTURES = ("ResNet18", "MobileNetV2", "EfficientNetB0")
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
BROWSERS_OWN = ("google.com", "googleapis.com", "gvt1.com")  # Chromium's updates, whatever it shows
QUIET = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
QUIET += " --disable-component-update --disable-sync --disable-quic --hide-scrollbars"


def fragment(task: str, name: str, accuracy: float, **changes: Any) -> dict[str, Any]:
    """A fragment of a chosen accuracy, architectures in turn."""
    turn = int(name[-1]) % 3 if name[-1].isdigit() else 0
    seconds = {"train_features": 1800.0, "test_features": 1800.0, "waiting": 0.0, "head": 36.0}
    own = {"architecture": ARCHITECTURES[turn], "family": None, "seconds": seconds}
    one = fragments.fragment(task, name, test_accuracy=accuracy, **own | changes)
    one["replicates"][0]["seconds"] = 36.0
    return one


def made(
    tasks: int,
    names: int,
    *,
    missing: Sequence[tuple[int, int]] = (),
    accuracy: Callable[[int, int], float] | None = None,
    name: Callable[[int], str] = "plain{}".format,
    family: str | None = None,
    **changes: Any,
) -> Run:
    """A run of drawn accuracies, or of those that are given by task and configuration."""
    rng = np.random.default_rng(0)
    states, found = {}, []
    for i, j in itertools.product(range(tasks), range(names)):
        ids = f"Task{i}", name(j)
        drawn = float(rng.integers(0, 21) / 20)
        states[ids] = State("done")
        if (i, j) in missing:
            states[ids] = State("failed", "logs/train_head", "diverged at epoch 1, step 3")
        else:
            own = {"family": family} if family else {}
            found.append(fragment(*ids, accuracy(i, j) if accuracy else drawn, **own))
    parts = {"licences": {}, "validation": None, "evaluation": None, "machine": {}}
    return Run(states=states, tables=fragments.tables(found), **(parts | changes))


class Page(HTMLParser):
    """The cells of the table of experiments, all tags with their attributes, all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def whole(run: Run) -> str:
    return page(run, figures(run))


def test_numbers_are_those_of_the_fragments() -> None:
    """An accuracy in another row, or one that is not the fragment's."""
    run = made(3, 4)
    table = whole(run).partition('<table id="table">')[2]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("<tr>")[2:]]
    columns = ["task_id", "configuration", "test_accuracy"]
    expected = list(run.experiments[columns].itertuples(index=False, name=None))
    assert [(row[0], row[1], float(row[3])) for row in rows] == expected


def test_what_was_left_out_and_how_it_was_read_is_told() -> None:
    """A task on fewer pictures than the data set has, or on another copy, that looks like the others."""
    one = fragment("Birds", "plain0", 0.5, broken_images=3, read_as="folder, deepfunneled")
    states = {("Birds", "plain0"): State("done")}
    parts = {"licences": {}, "validation": None, "evaluation": None, "machine": {}}
    text = whole(Run(states=states, tables=fragments.tables([one]), **parts))
    assert "<dt>left out</dt><dd>3 that do not decode</dd>" in text
    assert "<dt>read as</dt><dd>folder, deepfunneled</dd>" in text


def test_names_are_text_wherever_they_stand() -> None:
    """A folder's name that runs in the reader's browser, or a dollar sign that breaks a picture."""
    one = fragment(ATTACK, ATTACK, 0.5, device=ATTACK, family=ATTACK)
    finding = {"task_id": ATTACK, "configuration": ATTACK, "line": 2, "message": ATTACK}
    check = {"name": "x", "severity": "error", "findings": [finding], "checked": True}
    validation = {"checks": [check], "table": ATTACK, "rows": 1, "experiments": 1}
    evaluated = {"protocol": "task", "method": ATTACK, "regret_points": 1.0, "holm_p": 1.0}
    evaluated |= {"regret_points_low": 0.0, "regret_points_high": 2.0, "conclusion": ATTACK}
    evaluated |= {"p": 0.5, "regret_above_floor_points": 0.5}
    evaluated |= {"regret_above_floor_points_low": None, "regret_above_floor_points_high": None}
    run = Run(
        states={(ATTACK, ATTACK): State("done"), (ATTACK, "b"): State("failed", ATTACK, ATTACK)},
        tables=fragments.tables([one]),
        licences={ATTACK: ATTACK},
        validation=validation,
        evaluation={"rows": [evaluated], "notes": [ATTACK], "noise_floor_points": {ATTACK: 0.5}},
        machine={ATTACK: ATTACK},
    )
    text = whole(run)
    found = Page(text)
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert found.text.count(ATTACK) > 8
    assert html.escape("<script>alert") in text
    for picture in figures(run):
        assert "<script" not in picture.svg
        assert "onerror=alert(1)>" not in re.sub(r"<!--.*?-->", "", picture.svg, flags=re.DOTALL)


def test_nothing_is_asked_of_the_network() -> None:
    """A font, a script or a picture from elsewhere; a policy that would allow one."""
    found = Page(whole(made(7, 3)))
    (policy,) = (a["content"] for _, a in found.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag, attributes in found.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "audio", "video")
        for name in ("src", "srcset", "data", "action", "background", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
        if tag != "a":
            assert "href" not in attributes
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", whole(made(1, 1)))


@pytest.mark.parametrize(
    "run",
    [
        made(1, 1),
        made(1, 3),
        made(2, 1),
        made(1, 1, missing=[(0, 0)]),
        made(7, 4, missing=[(2, 1)]),
        made(6, 2),
        made(3, 14),
    ],
    ids=["one", "one task", "one configuration", "nothing", "a gap", "two configurations", "many"],
)
def test_small_and_broken_runs_have_a_report(run: Run) -> None:
    """A report that fails for want of tasks, or that keeps quiet about what is missing."""
    text = whole(run)
    assert f"{run.count('done')} of {len(run.states)} done" in text
    assert ("diverged at epoch 1, step 3" in text) == bool(run.count("failed"))


def test_equal_accuracies_have_no_winner() -> None:
    """A test of differences that are all zero, or a p below 0.05 from them."""
    run = made(8, 3, accuracy=lambda task, name: 0.5)
    found = compare(run)
    assert found.p is not None
    assert (found.p == 1).all()
    assert set(found.mean_ranks.values()) == {2.0}
    assert whole(run)


def test_a_better_configuration_is_told_apart() -> None:
    """Ranks upside down; p values of other pairs."""
    run = made(10, 3, accuracy=lambda task, name: (0.1, 0.9, 0.5)[name] + (3 * task + name) / 1000)
    found = compare(run)
    assert list(found.mean_ranks) == ["plain1", "plain2", "plain0"]
    assert found.mean_ranks["plain1"] == 1.0
    assert found.p is not None
    off = ~np.eye(3, dtype=bool)
    assert found.p[off] == pytest.approx(3 * 2 / 2**10)  # all ten signs the same; Holm: times three
    assert found.friedman_p is not None
    assert found.friedman_p == 1e-4  # the observed order alone, of 10,000


def test_relatives_count_as_one_family() -> None:
    """Ten tasks on the same pictures told apart as if ten had been found to agree."""
    run = made(
        10, 3, accuracy=lambda task, name: (0.1, 0.9, 0.5)[name] + task / 100, family="alike"
    )
    found = compare(run)
    assert (found.tasks, found.families, found.p, found.friedman_p) == (10, 1, None, None)
    assert "here 1; at least 7 are needed to tell 3 configurations apart" in whole(run)


def test_no_difference_is_said() -> None:
    """A diagram full of bars that leaves it to the reader to see that nothing was found."""
    rng = np.random.default_rng(1)
    drawn = rng.normal(0.5, 0.1, (8, 3)).round(3)
    run = made(8, 3, accuracy=lambda task, name: float(drawn[task, name]))
    assert "there is no difference that this table can show" in whole(run)


def test_portfolio_is_drawn_and_told() -> None:
    """Advice without meta-learning that is left to a CSV; one family of tasks, without intervals."""
    table = planted(0, tasks=8).table
    floors = dict.fromkeys(table.tasks, 0.5)
    for alike in (False, True):
        if alike:
            table = replace(table, families=("alike",) * 8)
        details = to_json(table, floors, portfolio_rows(table, floors, seed=0))
        run = replace(made(8, 3), portfolio=details)
        (figure,) = (one for one in figures(run) if one.name == "portfolio")
        assert figure.sentence == details["sentence"]
        assert figure.sentence in Page(whole(run)).text
        assert ("held out" in figure.svg) != alike


def test_missing_interval_is_not_one_of_no_width() -> None:
    """A mean that looks as if it were known exactly, as nothing is known of its interval."""
    rows = [{"x": 1.0, "x_low": None, "x_high": None}, {"x": 1.0, "x_low": 0.5, "x_high": 3.0}]
    low, high = np.array(whiskers(rows, "x"))
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == (0.5, 2.0)


def test_long_names_that_begin_alike_stay_apart() -> None:
    """Configurations merged by their first letters; a report that fails because of a name."""

    def long(number: int) -> str:
        return f"a-very-long-name-of-a-configuration-{number}"

    assert whole(made(7, 3, name=long))
    assert len(set(labels(map(long, range(3))))) == 3


def test_what_was_never_run_is_neither_best_nor_hardest() -> None:
    """A configuration without a single experiment praised as the one with the least regret."""
    run = made(2, 3, missing=[(0, 0), (1, 0), (1, 1), (1, 2)])
    (sentence,) = (figure.sentence for figure in figures(run) if figure.name == "accuracy")
    assert "plain0" not in sentence
    assert "Task1" not in sentence


def test_features_are_counted_once() -> None:
    """The hours of a backbone multiplied by the heads that share its features."""
    found = hours(made(2, 6))
    assert found["features, ResNet18"] == pytest.approx(2.0)
    assert found["heads"] == pytest.approx(12 * 36 / 3600)


def test_same_run_same_bytes(tmp_path: Path) -> None:
    """A date or a random id in a picture: reports that cannot be compared."""
    for name in ("one", "two"):
        write_report(made(7, 4), tmp_path / f"{name}.html", tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    pictures = sorted((tmp_path / "one").glob("*.svg"))
    assert len(pictures) == 6
    for picture in pictures:
        encoded = base64.b64encode(picture.read_bytes()).decode()
        assert encoded in (tmp_path / "one.html").read_text()


def started(results: Path, stages) -> Run:
    """What there is of a run, as `metaprobe partial` reports it."""
    states, found = read_experiments(stages, {})
    return partial_run(results, states, list(found.values()), {})


def test_empty_results_folder_is_no_error(tmp_path: Path) -> None:
    """A traceback where nothing has been done yet."""
    stages = {("Task", "plain"): [(str(tmp_path / "log"), str(tmp_path / "fragment.json"))]}
    text = whole(started(tmp_path, stages))
    assert "0 of 1 done" in text
    assert "it was not checked" in text


def test_partial_report_gives_way_to_the_whole_one(tmp_path: Path) -> None:
    """An old partial report beside the whole one."""
    gap = made(2, 2, missing=[(0, 1)])
    assert write_partial_report(gap, tmp_path) == tmp_path / "report.partial.html"
    assert "3 of 4 done" in (tmp_path / "report.partial.html").read_text()
    write_report(made(2, 2), tmp_path / "report.html", tmp_path / "figures")
    assert write_partial_report(made(2, 2), tmp_path) == tmp_path / "report.html"
    assert not (tmp_path / "report.partial.html").exists()


def test_whole_and_partial_report_are_of_one_making(tmp_path: Path) -> None:
    """Two ways to read a run that drift apart; findings of an earlier table in a partial report."""
    built = [fragment(f"Task{i}", f"plain{j}", (i + j) / 8) for i in range(3) for j in range(2)]
    for one in built:
        one |= {"seconds": one["seconds"] | {"train_features": 9 * one["seconds"]["head"]}}
        one |= {"training_time_sec": 10 * one["seconds"]["head"]}
    built = [with_checksum(one) for one in built]
    ids = fragments.write_all(tmp_path / "metrics", built)
    tables = collect(tmp_path / "metrics", ids)
    for name in ("experiments", "replicates", "curves"):
        write_parquet(tmp_path / f"{name}.parquet", getattr(tables, name))
    for name in ("validation", "recommendation_evaluation", "portfolio"):
        write_checked_json(
            tmp_path / f"{name}.json",
            {"checks": [], "rows": [], "notes": ["old news"], "noise_floor_points": {}},
        )
    stages = {
        (task, name): [("log", str(tmp_path / f"metrics/{task}/{name}.json"))] for task, name in ids
    }
    partial = started(tmp_path, stages)
    assert "old news" not in whole(partial)
    complete = read_run(tmp_path, {})
    assert complete.evaluation is not None
    alone = replace(complete, validation=None, evaluation=None, portfolio=None)
    assert whole(alone) == whole(partial)


def browse(file: Path, *options: str) -> str:
    assert CHROMIUM
    command = [CHROMIUM, *QUIET.split(), f"--user-data-dir={file.parent / 'profile'}", *options]
    result = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_in_a_browser(tmp_path: Path) -> None:
    """A page wider than a phone, a table that does not sort, a request that leaves the page."""
    file = tmp_path / "report.html"
    probe = """<script>addEventListener("load", () => {
      const button = document.querySelectorAll("#table th button")[3]; button.click();
      const column = [...document.querySelectorAll("#table tbody tr")].map(r => r.cells[3].textContent);
      const filter = document.getElementById("filter"); filter.value = "task3";
      filter.dispatchEvent(new Event("input"));
      document.title = JSON.stringify({column, width: document.documentElement.scrollWidth,
        window: innerWidth, shown: document.querySelectorAll("#table tbody tr:not([hidden])").length,
        pictures: [...document.images].filter(i => i.naturalWidth > 0).length});
    });</script></body>"""
    run = made(7, 4)
    file.write_text(whole(run).replace("</body>", probe))
    log = tmp_path / "net.json"
    said = browse(file, "--window-size=500,900", f"--log-net-log={log}", "--dump-dom")
    found = json.loads(html.unescape(re.findall("<title>(.*?)</title>", said)[0]))
    assert found["width"] <= found["window"]
    assert found["column"] == sorted(found["column"])
    assert found["shown"] == 4
    assert found["pictures"] == len(figures(run))
    hosts = set(re.findall(r'"url":"(?:https?|wss?|ftp)://([^/"]+)', log.read_text()))
    assert not {host for host in hosts if not host.endswith(BROWSERS_OWN)}
