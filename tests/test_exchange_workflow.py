"""A merged folder is a finished run for Snakemake; a bundle is checked by computing it again."""

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from checkouts import (
    SETTINGS,
    TINY,
    ask,
    copy_workflow,
    planned,
    run_tiny,
    write_pictures,
)
from travelling import edit_fragment

pytestmark = pytest.mark.slow
RECIPES = ["resnet18-plain", "resnet18-regularized"]
SMALL = {"only_configurations": RECIPES, "described_by": ["ResNet18"]}
SMALL |= {"train_images": 8, "test_images": 4}
# What a run on another machine says otherwise: seconds, memory, and digests of files that name them.
ELSEWHERE = "seconds|training_time|peak_memory|^sha256$|^git_commit$|^versions_|^device$"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "checkout"
    run_tiny(folder, **SMALL)
    return folder


def another(folder: Path) -> Path:
    """A checkout with the same configuration, and nothing computed."""
    copy_workflow(folder)
    write_pictures(folder / "data" / "Tints")
    (folder / "tiny.yaml").write_text(json.dumps(SETTINGS | SMALL), encoding="utf-8")
    return folder


def part(results: Path, target: Path, *, without: str) -> Path:
    """The results without the files of a data set or a configuration, and without tables."""
    shutil.copytree(results, target)
    for path in sorted(target.glob("*.*")):
        path.unlink()
    for path in sorted(target.glob(f"**/{without}*"), reverse=True):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return target


def but_for_seconds(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return table[[name for name in table if not pd.Series([name]).str.contains(ELSEWHERE)[0]]]


@pytest.mark.parametrize(
    "halves",
    [
        pytest.param(("Digits", "Tints"), id="data sets"),
        pytest.param(RECIPES, id="recipes", marks=pytest.mark.long),
    ],
)
def test_halves_are_the_whole_and_nothing_runs(finished: Path, tmp_path: Path, halves) -> None:
    """A merged folder that trains again, here or in another checkout; or a table of other rows."""
    parts = [
        part(finished / "results", tmp_path / name, without=other)
        for name, other in zip(("a", "b"), halves, strict=True)
    ]
    here = another(tmp_path / "here")
    answer = ask(here, "merge", *map(str, parts), "--to", "results", *TINY)
    assert answer.returncode == 0, answer.stderr
    assert "its tables are made: a run has nothing left to do" in answer.stdout
    assert planned(here, *TINY) == {}
    there = another(tmp_path / "there")
    shutil.copytree(here / "results", there / "results")
    assert planned(there, *TINY) == {}
    for name in ("predictions.parquet", "comparisons.csv", "basic_representations.parquet"):
        assert (here / "results" / name).read_bytes() == (finished / "results" / name).read_bytes()
    for name in (
        "target_representations.csv",
        "experiments.csv",
        "replicates.parquet",
        "curves.parquet",
    ):
        pd.testing.assert_frame_equal(
            but_for_seconds(here / "results" / name), but_for_seconds(finished / "results" / name)
        )


def test_what_is_missing_is_left_to_the_run(finished: Path, tmp_path: Path) -> None:
    """A merge that starts to train, or tables of half a run that look whole."""
    half = part(finished / "results", tmp_path / "a", without="Digits")
    here = another(tmp_path / "here")
    answer = ask(here, "merge", str(half), "--to", "results", *TINY)
    assert answer.returncode == 0, answer.stderr
    assert "no tables yet, as this configuration asks for more" in answer.stdout
    assert not (here / "results/target_representations.csv").exists()


def test_a_bundle_is_checked_by_computing_it_again(finished: Path, tmp_path: Path) -> None:
    """Numbers that nobody has measured, in a table of everybody's."""
    results, bundle = tmp_path / "results", str(tmp_path / "a.zip")
    shutil.copytree(finished / "results", results)
    answer = ask(finished, "contribute", str(results), "--to", bundle)
    assert answer.returncode == 0, answer.stderr
    check = ("check-bundle", bundle, "--recompute", "4", *TINY)
    answer = ask(finished, *check)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "verdict: identical" in answer.stdout
    edit_fragment(results, "Digits/resnet18-plain", {"train_accuracy": 1.0})
    assert ask(finished, "contribute", str(results), "--to", bundle).returncode == 0
    answer = ask(finished, *check)
    assert answer.returncode == 1
    assert "Digits/resnet18-plain: its train_accuracy is 1.0000, computed again" in answer.stdout
    answer = ask(finished, *check, "--config", "seed=1")
    assert answer.returncode == 1
    assert "its seed is 0, not 1" in answer.stdout


def test_a_merged_bundle_and_a_row_of_csv(finished: Path, tmp_path: Path) -> None:
    """Rows of a contributor that the tables do not take, as their features stayed where they were."""
    bundle = str(tmp_path / "a.zip")
    assert ask(finished, "contribute", "results", "--to", bundle).returncode == 0
    here = another(tmp_path / "here")
    answer = ask(here, "merge", bundle, "--to", "results", *TINY)
    assert answer.returncode == 0, answer.stderr
    assert "its tables are made" in answer.stdout
    with open(here / "results/target_representations.csv", newline="") as file:
        assert len([*csv.reader(file)]) == 5
