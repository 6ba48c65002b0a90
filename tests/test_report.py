"""The report: true numbers, everything escaped, nothing asked of anybody, readable on a phone."""

import base64
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metaprobe.operations.status import State
from metaprobe.report.data import Run, compare, hours, read_run
from metaprobe.report.page import figures, page, write_partial_report, write_report
from metaprobe.report.style import labels

ATTACK = "<script>alert(1)</script>\"'&--><img src=x onerror=alert(1)>$\\frac{1}{0}$"
ARCHITECTURES = ("ResNet18", "MobileNetV2", "EfficientNetB0")
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
BROWSERS_OWN = ("google.com", "googleapis.com", "gvt1.com")  # Chromium's updates, whatever it shows
QUIET = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
QUIET += " --disable-component-update --disable-sync --disable-quic --hide-scrollbars"


def fragment(task: str, name: str, accuracy: float, **changes: Any) -> dict[str, Any]:
    """What the report needs of a fragment."""
    point = {"epoch": 1, "train_loss": 1.5, "test_loss": 1.25, "test_accuracy": accuracy}
    measured = {
        "test_accuracy": accuracy,
        "train_accuracy": 0.875,
        "test_loss": 1.25,
        "test_balanced_accuracy": 0.5,
        "test_macro_f1": 0.5,
        "test_expected_calibration_error": 0.125,
    }
    return {
        "task_id": task,
        "configuration": name,
        "architecture": ARCHITECTURES[int(name[-1]) % 3] if name[-1].isdigit() else "ResNet18",
        **measured,
        "training_time_sec": 10.0,
        "class_count": 4,
        "train_images": 40,
        "test_images": 20,
        "family": None,
        "pretext": None,
        "partial": False,
        "test_majority_rate": 0.25,
        "weights": {"id": "random (seed 0)"},
        "seed": 0,
        "device": "cpu",
        "precision": "float32",
        "engine": {"name": "torch", "version": "2"},
        "git_commit": None,
        "versions": {"python": "3.11"},
        "seconds": {
            "train_features": 1800.0,
            "test_features": 1800.0,
            "waiting": 0.0,
            "head": 36.0,
        },
        "learning_curve": [point, point | {"epoch": 2}],
        "replicates": [{"seed": 0, **measured, "seconds": 36.0}],
    } | changes


def made(tasks: int, names: int, *, missing: tuple[int, int] | None = None, **changes: Any) -> Run:
    """A run of drawn accuracies."""
    rng = np.random.default_rng(0)
    ids = [(f"Task{i}", f"plain{j}") for i in range(tasks) for j in range(names)]
    fragments = {one: fragment(*one, float(rng.integers(0, 21) / 20)) for one in ids}
    states = dict.fromkeys(ids, State("done"))
    if missing:
        gone = ids[missing[0] * names + missing[1]]
        del fragments[gone]
        states[gone] = State("failed", "logs/train_head", "diverged at epoch 1, step 3")
    parts = {"licences": {}, "validation": None, "evaluation": None, "machine": {}}
    return Run(states=states, fragments=fragments, **(parts | changes))


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
    assert [(row[0], row[1], float(row[3])) for row in rows] == [
        (*one, found["test_accuracy"]) for one, found in run.fragments.items()
    ]


def test_names_are_text_wherever_they_stand() -> None:
    """A folder's name that runs in the reader's browser, or a dollar sign that breaks a picture."""
    one = fragment(ATTACK, ATTACK, 0.5, device=ATTACK, family=ATTACK)
    finding = {"task_id": ATTACK, "configuration": ATTACK, "line": 2, "says": ATTACK}
    check = {"name": "x", "severity": "error", "findings": [finding], "checked": True}
    validation = {"checks": [check], "table": ATTACK, "rows": 1, "experiments": 1}
    evaluated = {"protocol": "task", "method": ATTACK, "regret_points": 1.0, "holm_p": 1.0}
    evaluated |= {"regret_points_low": 0.0, "regret_points_high": 2.0, "conclusion": ATTACK}
    run = Run(
        states={(ATTACK, ATTACK): State("done"), (ATTACK, "b"): State("failed", ATTACK, ATTACK)},
        fragments={(ATTACK, ATTACK): one},
        licences={ATTACK: ATTACK},
        validation=validation,
        evaluation={"rows": [evaluated], "notes": [ATTACK]},
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
        made(1, 1, missing=(0, 0)),
        made(7, 4, missing=(2, 1)),
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
    run = made(8, 3)
    for one in run.fragments.values():
        one["test_accuracy"] = 0.5
    found = compare(run)
    assert found.p is not None
    assert (found.p == 1).all()
    assert set(found.mean_ranks.values()) == {2.0}
    assert whole(run)


def test_a_better_configuration_is_told_apart() -> None:
    """Ranks upside down; p values of other pairs."""
    run = made(10, 3)
    for number, ((_, name), one) in enumerate(run.fragments.items()):
        one["test_accuracy"] = {"plain0": 0.1, "plain1": 0.9, "plain2": 0.5}[name] + number / 1000
    found = compare(run)
    assert list(found.mean_ranks) == ["plain1", "plain2", "plain0"]
    assert found.mean_ranks["plain1"] == 1.0
    assert found.p is not None
    off = ~np.eye(3, dtype=bool)
    assert found.p[off] == pytest.approx(3 * 2 / 2**10)  # all ten signs the same; Holm: times three
    assert found.friedman_p is not None
    assert found.friedman_p < 1e-4


def test_long_names_that_begin_alike_stay_apart() -> None:
    """Configurations merged by their first letters; a report that fails because of a name."""
    run = made(7, 3)
    long = {f"plain{i}": f"{'a-very-long-name-of-a-configuration-'}{i}" for i in range(3)}
    states = {(task, long[name]): state for (task, name), state in run.states.items()}
    fragments = {
        (task, long[name]): one | {"configuration": long[name]}
        for (task, name), one in run.fragments.items()
    }
    assert whole(replace(run, states=states, fragments=fragments))
    assert len(set(labels(long.values()))) == 3


def test_what_was_never_run_is_neither_best_nor_hardest() -> None:
    """A configuration without a single experiment praised as the one with the least regret."""
    run = made(2, 3)
    for one in [*run.states]:
        if one[1] == "plain0" or one[0] == "Task1":
            del run.fragments[one]
            run.states[one] = State("missing")
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


def test_empty_results_folder_is_no_error(tmp_path: Path) -> None:
    """A traceback where nothing has been done yet."""
    stages = {("Task", "plain"): [(str(tmp_path / "log"), str(tmp_path / "fragment.json"))]}
    text = whole(read_run(tmp_path, stages, {}, {}))
    assert "0 of 1 done" in text
    assert "it was not checked" in text


def test_partial_report_gives_way_to_the_whole_one(tmp_path: Path) -> None:
    """Findings of an earlier table in the report of what there is; an old report beside a new one."""
    old = {"rows": [], "notes": ["old news"]}
    gap = made(2, 2, missing=(0, 1), evaluation=old)
    assert write_partial_report(gap, tmp_path) == tmp_path / "report.partial.html"
    text = (tmp_path / "report.partial.html").read_text()
    assert "3 of 4 done" in text
    assert "old news" not in text
    write_report(made(2, 2), tmp_path / "report.html", tmp_path / "figures")
    assert write_partial_report(made(2, 2), tmp_path) == tmp_path / "report.html"
    assert not (tmp_path / "report.partial.html").exists()


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
