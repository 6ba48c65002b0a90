"""A merged folder is a finished run for Snakemake; a bundle is checked by computing it again."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from checkouts import (
    SETTINGS,
    TINY,
    ask,
    copy_tiny,
    planned,
    run_tiny,
    snakemake,
    write_pictures,
)
from tiny_runs import part
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


def another(folder: Path, **changes: Any) -> Path:
    """A checkout with the same configuration, but for these changes, and nothing computed."""
    copy_tiny(folder)
    write_pictures(folder / "data" / "Tints")
    (folder / "tiny.yaml").write_text(json.dumps(SETTINGS | SMALL | changes), encoding="utf-8")
    return folder


def but_for_seconds(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return table[[name for name in table if not pd.Series([name]).str.contains(ELSEWHERE)[0]]]


def runs_of_their_own(finished: Path, folder: Path) -> list[Path]:
    """Two runs, each of one data set, as two machines make them."""
    found = []
    for name in "Digits", "Tints":
        one = another(folder / name, only_datasets=[name])
        result = snakemake(one, *TINY)
        assert result.returncode == 0, result.stdout
        found.append(one / "results")
    return found


def cut_in_two(finished: Path, folder: Path) -> list[Path]:
    """What two machines have that share the features, each with one of the configurations."""
    return [part(finished / "results", folder / f"without {one}", without=one) for one in RECIPES]


@pytest.mark.parametrize(
    "halves", [runs_of_their_own, pytest.param(cut_in_two, marks=pytest.mark.long)]
)
def test_halves_are_the_whole_and_nothing_runs(finished: Path, tmp_path: Path, halves) -> None:
    """A merged folder that trains again, here or in another checkout; or a table of other rows."""
    parts = halves(finished, tmp_path)
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
    edit_fragment(results, "Digits/resnet18-plain", {"train_accuracy": 0.0})
    assert ask(finished, "contribute", str(results), "--to", bundle).returncode == 0
    answer = ask(finished, *check)
    assert answer.returncode == 1
    assert "Digits/resnet18-plain: its train_accuracy is 0.0000, computed again" in answer.stdout
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
