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
from metaprobe.core.files import read_json, write_checked_json
from metaprobe.exchange.bundle import write_bundle
from metaprobe.exchange.holdings import holdings, in_order
from travelling import RECIPES, TASKS, WEIGHTS, edit_fragment, write_run

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


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """A bundle `x.zip` of other numbers than the folder `y` has, which holds features and heads."""
    write_run(tmp_path / "x", moved=1.0)
    write_bundle(tmp_path / "x", tmp_path / "x.zip")
    write_run(tmp_path / "y")
    return tmp_path


def test_a_preferred_bundle_is_not_mixed_with_what_is_behind_other_numbers(
    merge: Answer, bundled: Path
) -> None:
    """Heads and features of one machine beside fragments of another, as a bundle has no heads to differ."""
    code, said = merge("y", "x.zip", "--prefer", "x.zip")
    assert code == 0, said
    rooms = {path.name for path in (bundled / "c").iterdir()}
    assert rooms == {"subsets", "metrics", "predictions", "descriptions"}
    own = contents(bundled / "x")
    assert all(own[name] == numbers for name, numbers in contents(bundled / "c").items())
    left = [line for line in said.splitlines() if line.startswith("left out")]
    assert len(left) == 2 + 4  # features and heads
    assert said.startswith("c: 4 experiments (4 of x.zip); 12 files (12 of x.zip)\n")


def test_a_bundle_is_not_mixed_with_a_preferred_folder(merge: Answer, bundled: Path) -> None:
    """An experiment that the folder lacks, beside features that it was not trained on."""
    for name in ("metrics", "predictions", "heads"):
        next((bundled / f"y/{name}/Birds").glob("regularized.*")).unlink()
    code, said = merge("y", "x.zip", "--prefer", "y")
    assert code == 0, said
    there = [one for one in contents(bundled / "c") if "/Birds/" in one]
    assert [one for one in there if "plain" not in one] == ["features/Birds/ResNet18.safetensors"]
    assert "metrics/Birds/plain.json" in there
    assert "left out, as it does not go with what is kept: metrics/Birds/regularized.json" in said


def test_what_is_the_same_in_a_bundle_keeps_its_head(merge: Answer, tmp_path: Path) -> None:
    """Every head computed again, though the preferred bundle has the same numbers."""
    write_run(tmp_path / "y")
    write_bundle(tmp_path / "y", tmp_path / "x.zip")
    code, said = merge("y", "x.zip", "--prefer", "x.zip")
    assert code == 0, said
    assert contents(tmp_path / "c") == contents(tmp_path / "y")
    assert "left out" not in said and "differs" not in said


def test_a_preferred_folder_settles_only_what_it_has(merge: Answer, tmp_path: Path) -> None:
    """A conflict of two others that is decided by their order, without a word."""
    write_run(tmp_path / "a", TASKS[:1])
    write_run(tmp_path / "b")
    write_run(tmp_path / "d")
    edit_fragment(tmp_path / "d", "Birds/plain", {"test_macro_f1": 0.123})
    assert merge("a", "b", "d", "--prefer", "a")[0] == 0
    shutil.rmtree(tmp_path / "c")
    edit_fragment(tmp_path / "d", "Fish/plain", {"test_macro_f1": 0.123})
    code, said = merge("a", "b", "d", "--prefer", "a")
    assert code == 1
    assert said.startswith("merge: test_macro_f1 is 0.") and said.count("\n") == 1
    assert "in b/metrics/Fish/plain.json and 0.123 in d/metrics/Fish/plain.json: " in said
    assert "the preferred a has none" in said


def test_what_was_decided_is_told(merge: Answer, tmp_path: Path, monkeypatch: Any) -> None:
    """Numbers of a colleague's replaced without a word on which, and by whose."""
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    for name in ("Birds/plain", "Fish/plain"):
        edit_fragment(tmp_path / "b", name, {"test_macro_f1": 0.123})
    code, said = merge("a", "b", "--prefer", "b")
    assert code == 0, said
    assert said.startswith("c: 4 experiments (4 of b); ")
    assert "Birds/plain differs: kept as in b, not as in a\nFish/plain differs: kept" in said
    shutil.rmtree(tmp_path / "c")
    monkeypatch.setattr("metaprobe.exchange.merge.SHOWN", 1)
    said = merge("a", "b", "--prefer", "b")[1]
    assert "not as in a\nand 1 more\n" in said and "Fish" not in said


def test_a_preferred_folder_may_be_named_in_any_way(merge: Answer, tmp_path: Path) -> None:
    """A folder that was given, refused as its path is written in another way."""
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    edit_fragment(tmp_path / "b", "Birds/plain", {"test_macro_f1": 0.123})
    (tmp_path / "link").symlink_to(tmp_path / "b")
    for named in (str(tmp_path / "b"), "link", "a/../b"):
        assert merge("a", "b", "--prefer", named)[0] == 0
        kept = read_json(tmp_path / "c/metrics/Birds/plain.json")
        assert kept["test_macro_f1"] == 0.123
        shutil.rmtree(tmp_path / "c")
    assert "it is none of those to merge" in merge("a", "b", "--prefer", "d")[1]


OTHER = {
    "precision": ("bfloat16", "the precision of the run is float32 in a/"),
    "sampling": ("stratified", "the sampling of Birds is random in a/"),
    "preprocessing": ("published", "the preprocessing of ResNet18 is protocol in a/"),
    "weights": (WEIGHTS | {"id": "random (seed 1)"}, "the weights of ResNet18 is random (seed 0)"),
    "digest": (WEIGHTS | {"sha256": "1" * 64}, "the digest of weights of ResNet18 is 000000000000"),
    "family": ("birds", "the family of Birds is None in a/"),
    "learning_rate": (0.5, "the learning_rate of plain is 0.01 in a/"),
    "described_by": ({"VGG": WEIGHTS}, "the described_by of the run is ['ResNet18'] in a/"),
    "subset_sha256": ("3" * 64, "the subset_sha256 of Birds is "),
    "pixels_sha256": ("3" * 64, "the pixels_sha256 of Birds (protocol) is 111111111111… in a/"),
}


@pytest.mark.parametrize("name", OTHER)
def test_each_setting_of_another_run_is_refused(merge: Answer, tmp_path: Path, name: str) -> None:
    """A protocol of two that the documentation promises to keep apart."""
    value, told = OTHER[name]
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    if name == "described_by":
        path = tmp_path / "b/descriptions/Birds.json"
        write_checked_json(path, read_json(path) | {"weights": value})
    else:
        key = "weights" if name == "digest" else name
        edit_fragment(tmp_path / "b", "Birds/plain", {key: value})
    code, said = merge("a", "b")
    assert code == 1
    assert said.startswith(f"merge: {told}") and " in b/" in said
    assert "results that differ in it stay apart" in said and said.count("\n") == 1
    code, said = merge("a", "b", "--prefer", "b")
    assert code == 1 and said.startswith("merge: the ")  # no matter whose are liked better


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
