"""Several results folders as one: what goes together, what does not, and whose numbers are kept."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metaprobe.__main__ import main
from metaprobe.core.arrays import read_arrays, reindex, write_arrays, write_rows
from metaprobe.core.files import read_json
from metaprobe.exchange.holdings import holdings, in_order
from travelling import RECIPES, TASKS, edit_fragment, write_run

Answer = Callable[..., tuple[int, str]]


@pytest.fixture
def merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Answer:
    """Merge folders of `tmp_path` into its `c`; the exit code and what was said."""
    monkeypatch.chdir(tmp_path)

    def answer(*arguments: str) -> tuple[int, str]:
        code = main(["merge", *arguments, "--to", "c"])
        said = capsys.readouterr()
        return code, said.err if code else said.out

    return answer


def contents(folder: Path) -> dict[str, Any]:
    """Name → numbers of each file of a results folder."""
    return {one.name: one.numbers for one in holdings(folder, folder)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((TASKS[:1], tuple(RECIPES)), (TASKS[1:], tuple(RECIPES))),
        ((TASKS, ("plain",)), (TASKS, ("regularized",))),
        ((TASKS, ("plain",)), (TASKS, tuple(RECIPES))),
        ((TASKS[1:], ("plain",)), (TASKS, tuple(RECIPES))),
    ],
    ids=["by data set", "by configuration", "overlapping", "one within the other"],
)
def test_parts_are_the_whole(merge: Answer, tmp_path: Path, first: Any, second: Any) -> None:
    """An experiment lost or twice, or a file of another run's in its place."""
    write_run(tmp_path / "a", *first)
    write_run(tmp_path / "b", *second)
    code, said = merge("a", "b")
    assert code == 0, said
    assert contents(tmp_path / "c") == contents(write_run(tmp_path / "whole"))
    assert "4 experiments" in said


def test_files_are_in_the_order_of_the_work(merge: Answer, tmp_path: Path) -> None:
    """A copy that Snakemake makes again as a head is older than its features."""
    write_run(tmp_path / "a", TASKS[:1])
    write_run(tmp_path / "b", TASKS[1:])
    assert merge("b", "a")[0] == 0
    times: dict[str, list[int]] = {}
    for one in in_order(holdings(tmp_path / "c", tmp_path / "c")):
        times.setdefault(one.kind.word, []).append(one.path.stat().st_mtime_ns)
    assert all(max(earlier) <= min(later) for earlier, later in pairwise(times.values()))


def test_logs_and_times_of_jobs_travel(merge: Answer, tmp_path: Path) -> None:
    """A plan that knows no times, or a job that runs again as its benchmark is missing."""
    write_run(tmp_path / "a", TASKS[:1])
    log = tmp_path / "a/logs/train_head/Birds/plain.tsv"
    log.parent.mkdir(parents=True)
    log.write_text("s\n1\n")
    (log.parent / "of nothing.tsv").write_text("s\n1\n")
    assert merge("a")[0] == 0
    assert [one.name for one in (tmp_path / "c/logs").rglob("*.tsv")] == ["plain.tsv"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"seed": 1},
            "the seed of the run is 0 in a/subsets/Birds.json and 1 in b/subsets/Fish.json",
        ),
        ({"engine": "openvino"}, "the engine of the run is torch in a/features"),
        (
            {"train": 30},
            "the train_images of the run is 30 in b/subsets/Fish.json and 24 in a/subsets",
        ),
        (
            {"replicates": 2},
            "the replicates of the run is 1 in a/metrics/Birds/plain.json and 2 in b",
        ),
    ],
)
def test_other_settings_stay_apart(
    merge: Answer, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    """One table of two protocols."""
    write_run(tmp_path / "a", TASKS[:1])
    write_run(tmp_path / "b", TASKS[1:], **change)
    code, said = merge("a", "b")
    assert code == 1
    assert said.startswith(f"merge: {told}")
    assert said.count("\n") == 1
    assert not (tmp_path / "c").exists()


def test_a_subset_drawn_otherwise_is_refused(merge: Answer, tmp_path: Path) -> None:
    """Configurations of one task that saw other images: the pairing that makes them comparable."""
    write_run(tmp_path / "a", recipes=("plain",))
    write_run(tmp_path / "b", recipes=("regularized",), drawn=1)
    code, said = merge("a", "b")
    assert code == 1
    assert said.startswith("merge: the subset_sha256 of Birds is ")
    assert "a/subsets/Birds.json" in said
    assert "b/subsets/Birds.json" in said
    assert said.count("\n") == 1


def test_a_foreign_file_within_a_folder_is_refused(merge: Answer, tmp_path: Path) -> None:
    """Features of another machine copied beside heads that were not trained on them."""
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", moved=1e-6)
    name = "features/Birds/ResNet18.safetensors"
    shutil.copy(tmp_path / "b" / name, tmp_path / "a" / name)
    code, said = merge("a")
    assert code == 1
    assert f"was made from another file than a/{name}" in said
    assert said.count("\n") == 1


def test_a_changed_digit_is_refused(merge: Answer, tmp_path: Path) -> None:
    """An edited number in the table, or one of two that is taken without a word."""
    write_run(tmp_path / "a", recipes=("plain",))
    write_run(tmp_path / "b")
    edit_fragment(tmp_path / "a", "Birds/plain", {"test_macro_f1": 0.123}, sealed=False)
    code, said = merge("a", "b")
    assert code == 1
    assert said.startswith(
        "merge: a/metrics/Birds/plain.json is broken (its content does not match"
    )
    edit_fragment(tmp_path / "a", "Birds/plain", {"test_macro_f1": 0.123})
    code, said = merge("a", "b")
    assert code == 1
    assert said.startswith("merge: test_macro_f1 is 0.123 in a/metrics/Birds/plain.json and 0.")
    assert "in b/metrics/Birds/plain.json: " in said
    assert said.count("\n") == 1


def test_the_preferred_folder_is_kept(merge: Answer, tmp_path: Path) -> None:
    """The other one, or numbers of both mixed in one experiment."""
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    edit_fragment(tmp_path / "b", "Birds/plain", {"test_macro_f1": 0.123})
    assert merge("a", "b", "--prefer", "b")[0] == 0
    assert read_json(tmp_path / "c/metrics/Birds/plain.json")["test_macro_f1"] == 0.123
    code, said = merge("a", "b", "--prefer", "d")
    assert code == 1
    assert "c is there already" in said


def test_features_of_two_machines_are_told_once_and_not_mixed(
    merge: Answer, tmp_path: Path
) -> None:
    """A line for each head of one backbone; or heads beside features that they were not trained on."""
    write_run(tmp_path / "a", recipes=("plain",))
    write_run(tmp_path / "b", moved=1e-3)
    code, said = merge("a", "b")
    assert code == 1
    told = [line.split(" is ")[0] for line in said.splitlines()]
    assert told == ["merge: features_sha256", "features_sha256"]
    code, said = merge("a", "b", "--prefer", "a")
    assert code == 0, said
    left = [line for line in said.splitlines() if line.startswith("left out")]
    assert len(left) == 6  # head, fragment and predictions of `regularized`, of both tasks
    assert not (tmp_path / "c/metrics/Birds/regularized.json").exists()


def test_what_is_no_results_folder_is_said(merge: Answer, tmp_path: Path) -> None:
    """A traceback, or an empty table."""
    (tmp_path / "a").mkdir()
    assert merge("a") == (
        1,
        "merge: a holds no finished experiment (a/metrics/): name the results folder of a run, or a "
        "bundle of `metaprobe contribute`\n",
    )
    assert "neither a results folder nor a bundle" in merge("nowhere")[1]


def test_an_index_goes_with_the_file_that_lies_beside_it(tmp_path: Path) -> None:
    """Features of a derived data set that are refused, as its parent's were computed at another time."""
    arrays = {"x": np.arange(5.0)}
    write_arrays(tmp_path / "parent.safetensors", arrays, {"seconds": 1})
    own = {"rows": np.array([3, 1])}
    write_rows(
        tmp_path / "own.safetensors", tmp_path / "parent.safetensors", {"x": "rows"}, own, {}
    )
    write_arrays(tmp_path / "parent.safetensors", arrays, {"seconds": 2})
    reindex(tmp_path / "own.safetensors")
    assert read_arrays(tmp_path / "own.safetensors")[0]["x"].tolist() == [3.0, 1.0]
