"""Results under other settings: told by what their files say, also where Snakemake has no record."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metaprobe.core.files import with_checksum, write_arrays, write_json
from metaprobe.operations.arrived import restore_order
from metaprobe.operations.outdated import (
    Expected,
    find_outdated,
    in_words,
)

TASKS = ("Birds", "Fish")
SETTINGS: dict[str, Any] = {
    "architecture": "ResNet18",
    "learning_rate": 0.01,
    "replicates": 1,
    "family": None,
}
EXTRACTED = {"weights": "random (seed 0)", "engine": "torch", "precision": "float32"}


def expected(results: Path) -> Expected:
    return Expected(
        results=results,
        sizes={"train": 50, "test": 10},
        subsets={task: {"seed": 0, "sampling": "random"} for task in TASKS},
        features={task: {"ResNet18": EXTRACTED} for task in TASKS},
        heads={
            task: {"plain": SETTINGS, "fast": SETTINGS | {"learning_rate": 0.1}} for task in TASKS
        },
        resamples=2,
    )


def write_results(folder: Path, wanted: Expected, train: int = 50, pool: int = 1000) -> None:
    """Files as a run leaves them, as far as they say what they were made under."""
    rows = []
    for task in TASKS:
        subset = with_checksum(
            wanted.subsets[task]
            | {
                "split": {"rule": "stratified", "test_fraction": 0.2},
                "class_count": 4,
                "pools": {"pool": {"images": pool}},
                "train": {"pool": "pool", "images": train},
                "test": {"pool": "pool", "images": 10},
            }
        )
        digest = {"subset_sha256": subset["sha256"]}
        weights = {"weights": {"id": "random (seed 0)"}}
        write_json(folder / f"subsets/{task}.json", subset)
        arrays = {"x": np.zeros(2)}
        write_arrays(folder / f"pictures/{task}.safetensors", arrays, digest)
        extracted = digest | weights | {"engine": {"name": "torch"}, "precision": "float32"}
        features = f"features of {task}"
        write_arrays(
            folder / f"features/{task}/ResNet18.safetensors",
            arrays,
            extracted | {"features_sha256": features},
        )
        for name, rate in (("plain", 0.01), ("fast", 0.1)):
            hyperparameters = {"architecture": "ResNet18", "learning_rate": rate}
            trained = {"hyperparameters": hyperparameters, "seed": 0, "replicates": [{}]}
            write_arrays(
                folder / f"heads/{task}/{name}.safetensors",
                arrays,
                trained | {"features_sha256": features},
            )
            fragment = with_checksum(
                extracted
                | hyperparameters
                | {"seed": 0, "sampling": "random", "replicates": [{}], "family": None}
            )
            write_json(folder / f"metrics/{task}/{name}.json", fragment)
            rows.append((task, name, fragment["sha256"]))
        described = digest | {"weights": {"ResNet18": weights["weights"]}, "seed": 0}
        described |= {"sampling": "random", "rows": [{}]}
        write_json(folder / f"descriptions/{task}.json", described)
    for file, header, lines in (
        ("experiments.csv", ("task_id", "configuration", "sha256"), rows),
        ("basic_representations.csv", ("task_id", "classes"), [(task, 4) for task in TASKS]),
    ):
        with open(folder / file, "w", newline="") as table:
            csv.writer(table).writerows([header, *lines])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_results(tmp_path, expected(tmp_path))
    return tmp_path


def found(wanted: Expected) -> set[str]:
    return {str(one.path.relative_to(wanted.results)) for one in find_outdated(wanted)}


def test_what_agrees_is_not_made_again(results: Path) -> None:
    """A copied folder whose experiments all run again."""
    assert found(expected(results)) == set()


def with_heads(wanted: Expected, name: str, **changes: Any) -> Expected:
    return replace(
        wanted,
        heads={
            task: {key: one | (changes if key == name else {}) for key, one in names.items()}
            for task, names in wanted.heads.items()
        },
    )


def test_each_setting_is_found_in_the_first_file_that_it_decides(results: Path) -> None:
    """A stale row of the table; or features computed again for a learning rate."""
    wanted = expected(results)
    subsets = {f"subsets/{task}.json" for task in TASKS}
    features = {f"features/{task}/ResNet18.safetensors" for task in TASKS}
    heads = {f"heads/{task}/plain.safetensors" for task in TASKS}
    assert found(with_heads(wanted, "plain", learning_rate=0.02)) == heads
    assert found(with_heads(wanted, "plain", replicates=2)) == heads
    fragments = {f"metrics/{task}/plain.json" for task in TASKS}
    assert found(with_heads(wanted, "plain", family="animals")) == fragments
    for change in ({"seed": 1}, {"sampling": "stratified"}):
        settings = {task: one | change for task, one in wanted.subsets.items()}
        assert found(replace(wanted, subsets=settings)) == subsets
    one_task = wanted.subsets | {"Fish": wanted.subsets["Fish"] | {"seed": 1}}
    assert found(replace(wanted, subsets=one_task)) == {"subsets/Fish.json"}
    for change in ({"engine": "openvino"}, {"precision": "bfloat16"}, {"weights": "imagenet"}):
        extracted = {task: {"ResNet18": EXTRACTED | change} for task in TASKS}
        assert found(replace(wanted, features=extracted)) == features
    for sizes in ({"train": 40, "test": 10}, {"train": 50, "test": 11}):
        assert found(replace(wanted, sizes=sizes)) == subsets


@pytest.mark.parametrize(
    ("images", "pool", "outdated"),
    [(80, 100, False), (78, 100, False), (60, 100, True), (50, 1000, True)],
)
def test_a_pool_that_was_taken_whole_is_not_drawn_again(
    tmp_path: Path, images: int, pool: int, outdated: bool
) -> None:
    """A small data set that is drawn anew at every start, as it can never have enough images."""
    wanted = replace(expected(tmp_path), sizes={"train": 5000, "test": 10})
    write_results(tmp_path, wanted, train=images, pool=pool)
    assert bool(found(wanted)) == outdated


def test_files_of_another_chain_are_found(results: Path) -> None:
    """A subset, features or heads that were replaced by those of another run."""
    wanted = expected(results)
    subset = results / "subsets/Birds.json"
    content = json.loads(subset.read_text())
    subset.write_text(json.dumps(with_checksum(content | {"class_count": 5})))
    assert found(wanted) == {"pictures/Birds.safetensors", "features/Birds/ResNet18.safetensors"}
    assert "made from another file than" in in_words(find_outdated(wanted))


def test_tables_of_other_experiments_are_found(results: Path) -> None:
    """Rows of an experiment that is no longer asked for, or a fragment of another run's."""
    wanted = expected(results)
    fewer = replace(wanted, heads={t: {"plain": one["plain"]} for t, one in wanted.heads.items()})
    assert found(fewer) == {"experiments.csv", "predictions.parquet"}
    alone = replace(wanted, subsets={"Birds": wanted.subsets["Birds"]})
    alone = replace(alone, heads={"Birds": wanted.heads["Birds"]})
    assert "basic_representations.csv" in found(alone)
    path = results / "metrics/Birds/plain.json"
    path.write_text(
        json.dumps(with_checksum(json.loads(path.read_text()) | {"test_accuracy": 1.0}))
    )
    assert found(wanted) == {"experiments.csv", "predictions.parquet"}


def test_missing_and_damaged_files_are_left_to_their_jobs(results: Path) -> None:
    """A check before a run that fails where the run itself would say what to do."""
    (results / "subsets/Birds.json").write_text("{")
    (results / "heads/Fish/plain.safetensors").write_bytes(b"cut off")
    (results / "features/Fish/ResNet18.safetensors").unlink()
    (results / "metrics/Fish/fast.json").unlink()
    assert found(expected(results)) == set()


def test_order_of_a_copy_is_restored(results: Path) -> None:
    """Backbones run again as a copy gave every file the time of copying, in no order."""
    wanted = expected(results)
    files = [results / "experiments.csv"]
    for number, path in enumerate(sorted(results.rglob("*.*"), reverse=True)):
        os.utime(path, (1e9 + number, 1e9 + number))
    recorded = results / "metrics/Birds/plain.json"
    edited = results / "features/Fish/ResNet18.safetensors"
    edited.write_bytes(edited.read_bytes()[:-1] + b"x")
    os.utime(edited, (1e9 + 1000, 1e9 + 1000))
    restore_order(wanted, files, lambda path: path == recorded)

    def newer(path: str, than: str) -> bool:
        return (results / path).stat().st_mtime >= (results / than).stat().st_mtime

    assert newer("heads/Birds/fast.safetensors", "features/Birds/ResNet18.safetensors")
    assert newer("experiments.csv", "metrics/Fish/fast.json")
    assert recorded.stat().st_mtime < 1e9 + 1000
    assert not newer("heads/Fish/fast.safetensors", "features/Fish/ResNet18.safetensors")
