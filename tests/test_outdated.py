"""Results under other settings: told by what their files say, also where Snakemake has no record."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from entries import WRITTEN_BACKBONES
from metaprobe.config.load import load_run
from metaprobe.core.arrays import write_arrays
from metaprobe.core.files import with_checksum, write_json
from metaprobe.operations.arrived import restore_order
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.outdated import find_outdated, in_words

TASKS = ("Birds", "Fish")
CONFIG: dict[str, Any] = {
    "backbones": WRITTEN_BACKBONES,
    "described_by": ["ResNet18"],
    "datasets": {task: {"kind": "pcam", "classes": 2} for task in TASKS},
    "configurations": {
        "plain": {"architecture": "ResNet18", "learning_rate": 0.01},
        "fast": {"architecture": "ResNet18", "learning_rate": 0.1},
    },
    "weights": "random",
    "train_images": 50,
    "test_images": 10,
    "bootstrap_resamples": 2,
}


def a_run(results: Path, **changes: Any) -> Workflow:
    return Workflow(load_run(CONFIG | changes, []), results, results / "logs")


def write_results(folder: Path, train: int = 50, pool: int = 1000) -> None:
    """Files as a run leaves them, as far as they say what they were made under."""
    rows = []
    for task in TASKS:
        subset = with_checksum(
            {
                "seed": 0,
                "sampling": "random",
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
    write_results(tmp_path)
    return tmp_path


def found(results: Path, **changes: Any) -> set[str]:
    outdated = find_outdated(a_run(results, **changes))
    return {str(path.relative_to(results)) for path in outdated}


def test_what_agrees_is_not_made_again(results: Path) -> None:
    """A copied folder whose experiments all run again."""
    assert found(results) == set()


def test_each_setting_is_found_in_the_first_file_that_it_decides(results: Path) -> None:
    """A stale row of the table; or features computed again for a learning rate."""
    subsets = {f"subsets/{task}.json" for task in TASKS}
    features = {f"features/{task}/ResNet18.safetensors" for task in TASKS}
    plain = {f"heads/{task}/plain.safetensors" for task in TASKS}
    fast = {f"heads/{task}/fast.safetensors" for task in TASKS}
    rates = CONFIG["configurations"] | {"plain": {"architecture": "ResNet18", "learning_rate": 0.2}}
    assert found(results, configurations=rates) == plain
    assert found(results, replicates=2) == plain | fast
    for change, fragments in (
        ({"family": "animals"}, {f"metrics/Fish/{name}.json" for name in ("plain", "fast")}),
        ({"sampling": "stratified"}, {"subsets/Fish.json"}),
    ):
        entries = CONFIG["datasets"] | {"Fish": CONFIG["datasets"]["Fish"] | change}
        assert found(results, datasets=entries) == fragments
    for change in ({"seed": 1}, {"sampling": "stratified"}):
        assert found(results, **change) == subsets
    for change in ({"engine": "openvino"}, {"precision": "bfloat16"}, {"weights": "imagenet"}):
        assert found(results, **change) == features
    for change in ({"train_images": 40}, {"test_images": 11}):
        assert found(results, **change) == subsets


@pytest.mark.parametrize(
    ("images", "pool", "outdated"),
    [(80, 100, False), (78, 100, False), (60, 100, True), (50, 1000, True)],
)
def test_a_pool_that_was_taken_whole_is_not_drawn_again(
    tmp_path: Path, images: int, pool: int, outdated: bool
) -> None:
    """A small data set that is drawn anew at every start, as it can never have enough images."""
    write_results(tmp_path, train=images, pool=pool)
    assert bool(found(tmp_path, train_images=5000)) == outdated


def test_files_of_another_chain_are_found(results: Path) -> None:
    """A subset, features or heads that were replaced by those of another run."""
    subset = results / "subsets/Birds.json"
    content = json.loads(subset.read_text())
    subset.write_text(json.dumps(with_checksum(content | {"class_count": 5})))
    assert found(results) == {"pictures/Birds.safetensors", "features/Birds/ResNet18.safetensors"}
    assert "made from another file than" in in_words(find_outdated(a_run(results)))


def test_tables_of_other_experiments_are_found(results: Path) -> None:
    """Rows of an experiment that is no longer asked for, or a fragment of another run's."""
    of_experiments = {"experiments.csv", "predictions.parquet"}
    assert found(results, only_configurations=["plain"]) == of_experiments
    assert "basic_representations.csv" in found(results, only_datasets=["Birds"])
    path = results / "metrics/Birds/plain.json"
    path.write_text(
        json.dumps(with_checksum(json.loads(path.read_text()) | {"test_accuracy": 1.0}))
    )
    assert found(results) == of_experiments


def test_missing_and_damaged_files_are_left_to_their_jobs(results: Path) -> None:
    """A check before a run that fails where the run itself would say what to do."""
    (results / "subsets/Birds.json").write_text("{")
    (results / "heads/Fish/plain.safetensors").write_bytes(b"cut off")
    (results / "features/Fish/ResNet18.safetensors").unlink()
    (results / "metrics/Fish/fast.json").unlink()
    assert found(results) == set()


def test_order_of_a_copy_is_restored(results: Path) -> None:
    """Backbones run again as a copy gave every file the time of copying, in no order."""
    fragments = sorted(results.glob("metrics/*/*.json"))
    tables = [([results / "experiments.csv"], fragments)]
    for number, path in enumerate(sorted(results.rglob("*.*"), reverse=True)):
        os.utime(path, (1e9 + number, 1e9 + number))
    recorded = results / "metrics/Birds/plain.json"
    edited = results / "features/Fish/ResNet18.safetensors"
    edited.write_bytes(edited.read_bytes()[:-1] + b"x")
    os.utime(edited, (1e9 + 1000, 1e9 + 1000))
    restore_order(a_run(results), tables, lambda path: path == recorded)

    def newer(path: str, than: str) -> bool:
        return (results / path).stat().st_mtime >= (results / than).stat().st_mtime

    assert newer("heads/Birds/fast.safetensors", "features/Birds/ResNet18.safetensors")
    assert newer("experiments.csv", "metrics/Fish/fast.json")
    assert recorded.stat().st_mtime < 1e9 + 1000
    assert not newer("heads/Fish/fast.safetensors", "features/Fish/ResNet18.safetensors")
