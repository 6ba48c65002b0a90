"""`snakemake sweep` as a user runs it: beside the table, interrupted, failing, changed."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from checkouts import (
    TINY,
    ask,
    copy_tiny,
    copy_workflow,
    edit_yaml,
    planned,
    run_tiny,
    snakemake,
    write_pictures,
)
from tiny_runs import part

pytestmark = pytest.mark.slow  # Whole runs of the workflow.
GRID = {
    "architecture": ["ResNet18"],
    "learning_rate": [0.01, 0.002],
    "optimizer": ["Adam", "SGD"],
    "batch_size": [64, 8],
    "weight_decay": [0.0001],
    "momentum": [0.0, 0.9],
    "validation_images": 0,  # or they would be taken from so few training images
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A checkout in which a tiny table and a tiny sweep have ended well."""
    folder = tmp_path_factory.mktemp("finished") / "checkout"
    only = {"only_configurations": ["resnet18-plain"], "described_by": ["ResNet18"], "grid": GRID}
    result = run_tiny(folder, "all", "sweep", **only)
    assert "results/sweep.parquet: 32 rows; 0 of them diverged" in result.stdout
    return folder


def rows(folder: Path) -> list[dict]:
    """The sweep's rows without what depends on the clock."""
    table = pq.read_table(folder / "results/sweep.parquet")
    return table.drop_columns("seconds").to_pylist()


def test_sweep_agrees_with_the_table(finished) -> None:
    """Rows in the order in which jobs ended, or other metrics than the table's of one entry."""
    swept = rows(finished)
    assert [row["task_id"] for row in swept] == ["Digits"] * 16 + ["Tints"] * 16
    assert not list(finished.glob("results/sweep/*/*.chunks"))
    with open(finished / "results/target_representations.csv", newline="") as file:
        table = list(csv.DictReader(file))
    for row, index in zip(table, (0, 16), strict=True):
        for name in ("task_id", "architecture", "optimizer"):
            assert row[name] == swept[index][name]
        assert float(row["learning_rate"]) == swept[index]["learning_rate"]
        for name in ("train_accuracy", "test_accuracy", "test_loss"):
            assert float(row[name]) == pytest.approx(swept[index][name], abs=2e-4)


def test_grid_is_no_matter_of_the_table(checkout) -> None:
    """Backbones or heads of the table run again for a grid; a sweep that ignores its change."""
    edit_yaml(checkout / "tiny.yaml", lambda content: content["grid"].update(momentum=[0.0]))
    assert planned(checkout, *TINY) == {}
    assert planned(checkout, *TINY, "--", "sweep") == {"sweep_heads": 2, "sweep": 1}


def test_halves_of_a_sweep_are_merged(finished: Path, tmp_path: Path) -> None:
    """Heads of a sweep that are trained again where two machines' results come together."""
    halves = [
        part(finished / "results", tmp_path / name, without=name) for name in ("Digits", "Tints")
    ]
    here = copy_tiny(tmp_path / "here")
    write_pictures(here / "data/Tints")
    shutil.copy2(finished / "tiny.yaml", here)
    answer = ask(here, "merge", *map(str, halves), "--to", "results", *TINY)
    assert answer.returncode == 0, answer.stderr
    assert planned(here, *TINY) == {}
    assert planned(here, *TINY, "--", "sweep") == {"sweep": 1}  # which puts the parts together
    assert snakemake(here, *TINY, "--", "sweep").returncode == 0
    both = (pq.read_table(one / "results/sweep.parquet") for one in (here, finished))
    assert next(both).equals(next(both))


def test_a_sweep_is_exported_as_it_is(finished: Path, tmp_path: Path) -> None:
    """Numbers of other rows, or none, in what HPO-B's handler reads of a true sweep."""
    target = tmp_path / "hpob"
    answer = ask(finished, "publish", "results", "--to", str(target), "--as", "hpob", *TINY)
    assert answer.returncode == 0, answer.stderr
    parts = [
        json.loads((target / f"meta-{name}-dataset.json").read_text())["sweep"]
        for name in ("train", "validation", "test")
    ]
    found = {task: one["y"] for part in parts for task, one in part.items()}
    swept = rows(finished)
    assert found == {
        task: [[row["test_accuracy"]] for row in swept if row["task_id"] == task]
        for task in ("Digits", "Tints")
    }


def test_added_architecture_sweeps_only_itself(checkout) -> None:
    """The finished sweeps thrown away because the grid has grown a backbone."""
    edit_yaml(
        checkout / "tiny.yaml",
        lambda content: content["grid"]["architecture"].append("MobileNetV2"),
    )
    expected = {"extract_features": 2, "sweep_heads": 2, "sweep": 1}
    assert planned(checkout, *TINY, "--", "sweep") == expected


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [("many_heads", "TEST_BATCH = 256", "TEST_BATCH = 255"), ("metrics", "np.log(", "np.log2(")],
)
def test_edited_code_sweeps_again(checkout, module, old, new) -> None:
    """Numbers of old code under new code."""
    path = checkout / f"workflow/metaprobe/training/{module}.py"
    path.write_text(path.read_text().replace(old, new))
    assert planned(checkout, *TINY, "--", "sweep")["sweep_heads"] == 2


def test_failure_names_the_pair_and_leaves_the_table_alone(checkout) -> None:
    """A partial table of experiments that nobody asked for, or a pair that fails in silence."""
    broken = checkout / "results/features/Tints/ResNet18.safetensors"
    broken.write_bytes(broken.read_bytes()[:-100])
    before = (checkout / "results/target_representations.csv").read_bytes()
    result = snakemake(checkout, "sweep", *TINY)
    assert result.returncode != 0
    assert "The run is not finished" in result.stdout
    assert (
        "sweep_heads/Tints/ResNet18: results/features/Tints/ResNet18.safetensors is"
        in result.stdout
    )
    assert "experiments are finished" not in result.stdout
    assert (checkout / "results/target_representations.csv").read_bytes() == before
    assert not (checkout / "results/target_representations.partial.csv").exists()


def test_interrupted_by_the_keyboard_it_resumes(checkout) -> None:
    """Finished chunks deleted with the unfinished output, or trained again."""

    def change(content):
        content["only_datasets"] = ["Digits"]
        batches = [4, 5, 6, 7, 8, 9, 10, 11]
        content["grid"] |= {"batch_size": batches, "optimizer": ["Adam", "SGD"], "epochs": [300]}

    edit_yaml(checkout / "tiny.yaml", change)
    command = [sys.executable, "-m", "snakemake", "sweep", "--cores", "1", *TINY]
    running = subprocess.Popen(
        command,
        cwd=checkout,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Whoever runs the tests in the background makes their children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    chunks = checkout / "results/sweep/Digits/ResNet18.chunks"
    deadline = time.monotonic() + 120
    while not list(chunks.glob("*.json")):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=120)
    kept = len(list(chunks.glob("*.json")))
    log = checkout / "results/logs/sweep_heads/Digits/ResNet18.log"
    assert 1 <= kept < 4
    result = snakemake(checkout, "sweep", *TINY)
    assert result.returncode == 0, result.stdout
    assert log.read_text().count(": is there") == kept
    assert log.read_text().count(": to do") == 4 - kept
    resumed = rows(checkout)
    shutil.rmtree(checkout / "results/sweep")
    (checkout / "results/sweep.parquet").unlink()
    assert snakemake(checkout, "sweep", *TINY).returncode == 0
    assert log.read_text().count(": to do") == 4
    assert rows(checkout) == resumed


def test_mistake_in_the_grid_is_one_line_before_any_job(tmp_path) -> None:
    """A traceback, or hours of work before a typing mistake is found."""
    folder = copy_workflow(tmp_path)
    (folder / "mine.yaml").write_text("grid: {learning_rate: [0.1, -1]}\n")
    result = snakemake(folder, "sweep", "--configfile", "mine.yaml")
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    expected = "mine.yaml: grid/learning_rate/1: -1 is not allowed; allowed: more than 0"
    assert expected in result.stdout


def test_the_whole_grid_plans_without_delay(tmp_path) -> None:
    """A plan that grows with the entries of the grid."""
    jobs = planned(copy_workflow(tmp_path), "--", "sweep")
    assert (jobs["sweep_heads"], jobs["sweep"]) == (90, 1)
