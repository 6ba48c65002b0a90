"""The sweep of one features file: equal to single heads, whatever interrupts it."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import pytest
from metaprobe.config.configurations import Grid
from metaprobe.config.reading import read_strictly
from metaprobe.core.arrays import digest_arrays, read_arrays, write_arrays
from metaprobe.core.errors import UserError
from metaprobe.training import outcomes, sweep, sweep_table
from metaprobe.training.many_heads import TrainedHead
from metaprobe.training.measurement import measure
from metaprobe.training.optimizers import OPTIMIZERS
from metaprobe.training.sweep import HYPERPARAMETERS, distinct, expand
from metaprobe.training.trained import train_on_file

CONFIG = Path(__file__).parent.parent / "config"
METRICS = ("train_accuracy", "test_accuracy", "test_loss", "validation_accuracy", "validation_loss")
GRID = {
    "learning_rate": [0.01, 0.001],
    "optimizer": ["Adam", "SGD"],
    "batch_size": [16, 64],
    "weight_decay": [0.0001],
    "momentum": [0.0, 0.9],
    "dropout_rate": [0.0],
    "label_smoothing": [0.0],
    "grad_clip": [0.0],
    "epochs": [2],
    "replicates": 1,
    "validation_folds": 0,
}


def write_features(path: Path, count: int = 300, class_count: int = 5, seed: int = 0) -> Path:
    """A features file of a task that can be learnt in part."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(class_count, 24))
    arrays = {}
    for part, images in (("train", count), ("test", 120)):
        labels = rng.integers(0, class_count, images)
        noise = rng.normal(size=(images, 24))
        arrays[f"{part}_features"] = np.maximum(centres[labels] + noise, 0).astype(np.float32)
        arrays[f"{part}_labels"] = labels
    facts = {
        "task_id": "Blobs",
        "architecture": "ResNet18",
        "class_count": class_count,
        "features_sha256": digest_arrays(arrays),
        "weights": {"id": "random (seed 0)"},
    }
    write_arrays(path, arrays, facts)
    return path


@pytest.fixture
def features(tmp_path: Path) -> Path:
    return write_features(tmp_path / "ResNet18.safetensors")


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(sweep, "CHUNK_BLOCKS", 1)


def typed(grid: dict[str, Any]) -> Grid:
    return Grid.model_validate({"architecture": ["ResNet18"], **grid})


def run(features: Path, grid: dict[str, Any] = GRID, seed: int = 0, code: str = "code"):
    by_optimizer = dict.fromkeys(OPTIMIZERS, code)
    return sweep.sweep(features, typed(grid), seed, features.parent / "chunks", by_optimizer)


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def trained_with(count: list[int]):
    """Count in `count` the heads that are really trained."""
    original = outcomes.train_and_measure

    def counting(task, configurations, *rest):
        count.append(len(configurations))
        return original(task, configurations, *rest)

    return patch.object(sweep, "train_and_measure", counting)


def test_rows_are_the_entries_in_order(features: Path) -> None:
    """Rows lost where entries coincide, or metrics beside the hyperparameters of another."""
    rows = run(features)
    assert [{name: row[name] for name in HYPERPARAMETERS} for row in rows] == expand(typed(GRID))
    adam = [row for row in rows if row["optimizer"] == "Adam"]
    without, with_momentum = adam[0::2], adam[1::2]
    for first, second in zip(without, with_momentum, strict=True):
        assert first | {"momentum": 0.9} == second
    sgd = [row["test_loss"] for row in rows if row["optimizer"] == "SGD"]
    assert len(set(sgd)) == len(sgd)


def test_an_entry_of_the_table_has_the_tables_metrics(features: Path) -> None:
    """Two answers to one question, in two files of one run."""
    shipped = read_strictly(CONFIG / "configurations.yaml")["configurations"].values()
    unused = {"dropout_rate": 0.0, "label_smoothing": 0.0, "grad_clip": 0.0, "momentum": 0.0}
    unused |= {"schedule": "constant", "warmup_epochs": 0, "patience": 0}
    unused |= {"min_delta": 0.0, "monitor": "loss"}
    wanted = [{**unused, **entry, "epochs": 3} for entry in shipped]
    grid = GRID | {name: sorted({entry[name] for entry in wanted}) for name in HYPERPARAMETERS}
    rows = run(features, grid, seed=7)
    arrays, _ = read_arrays(features)
    for entry in wanted:
        (row,) = (row for row in rows if all(row[name] == entry[name] for name in HYPERPARAMETERS))
        head, facts = train_on_file(str(features), "Blobs", entry, 7)
        expected = measure(head["test_logits"][0], arrays["test_labels"])
        (replicate,) = facts["replicates"]
        assert row["train_accuracy"] == replicate["train_accuracy"]
        assert row["test_accuracy"] == expected["test_accuracy"]
        assert row["test_loss"] == pytest.approx(expected["test_loss"], abs=1e-4)
        for name in ("train_loss", "test_loss", "test_accuracy"):
            single = [point[name] for point in replicate["learning_curve"]]
            assert row[f"epoch_{name}"] == pytest.approx(single, abs=1e-4)


@pytest.mark.parametrize("finished", [0, 1, 3])
def test_interrupted_it_resumes_and_ends_the_same(
    features: Path, small_chunks, finished: int
) -> None:
    """Heads trained again, or other numbers because of the interruption."""
    whole = sweep.sweep(
        features, typed(GRID), 0, features.parent / "other", dict.fromkeys(OPTIMIZERS, "code")
    )
    train_and_measure = outcomes.train_and_measure
    answers = iter(range(finished))

    def interrupted(*arguments):
        if next(answers, None) is None:
            raise KeyboardInterrupt
        return train_and_measure(*arguments)

    with patch.object(sweep, "train_and_measure", interrupted), pytest.raises(KeyboardInterrupt):
        run(features)
    assert len(list(features.parent.glob("chunks/*"))) == finished
    count: list[int] = []
    with trained_with(count):
        resumed = run(features)
    chunks = sweep.chunks_of(distinct(expand(typed(GRID)))[0], 5)
    assert len(chunks) == 4
    assert count == [len(chunk) for chunk in chunks[finished:]]
    assert without_seconds(resumed) == without_seconds(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"code": "other code"},
        {"seed": 1},
        {"grid": GRID | {"learning_rate": [0.02]}},
        {"grid": GRID | {"validation_folds": 5}},
    ],
    ids=["code", "seed", "configurations", "folds"],
)
def test_chunks_of_another_sweep_are_not_used(features: Path, change: dict[str, Any]) -> None:
    """Old numbers under new hyperparameters."""
    run(features)
    count: list[int] = []
    with trained_with(count):
        run(features, **change)
    assert sum(count) == len(distinct(expand(typed(change.get("grid", GRID))))[0])


def test_chunks_of_other_features_are_not_used(features: Path) -> None:
    """Numbers of pictures that have since been replaced."""
    run(features)
    write_features(features, seed=1)
    count: list[int] = []
    with trained_with(count):
        run(features)
    assert sum(count) == len(distinct(expand(typed(GRID)))[0])


def change_number(text: str) -> str:
    content = json.loads(text)
    content["outcomes"][0]["test_accuracy"] = 1.0
    return json.dumps(content)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace('"outcomes"', '"others"'),
        lambda text: text.replace('"test_loss": ', '"test_loss": 1e999'),
        change_number,
    ],
    ids=["empty", "cut", "list", "nothing", "renamed", "infinite", "changed"],
)
def test_a_broken_chunk_is_trained_again(features: Path, small_chunks, capsys, spoil: Any) -> None:
    """A truncated or altered file that becomes rows of the table."""
    rows = run(features)
    chunk = sorted((features.parent / "chunks").iterdir())[0]
    heads = len(json.loads(chunk.read_text())["outcomes"])
    chunk.write_text(spoil(chunk.read_text()))
    capsys.readouterr()
    count: list[int] = []
    with trained_with(count):
        again = run(features)
    assert count == [heads]
    assert f"{chunk} is broken" in capsys.readouterr().out
    assert without_seconds(again) == without_seconds(rows)


def test_a_chunk_under_the_name_of_another_is_not_trusted(features: Path, small_chunks) -> None:
    """A sound file whose name says that it is of other heads."""
    rows = run(features)
    first, second = sorted((features.parent / "chunks").iterdir())[:2]
    second.write_bytes(first.read_bytes())
    assert without_seconds(run(features)) == without_seconds(rows)


def test_a_diverged_entry_is_a_row_without_metrics(features: Path) -> None:
    """A sweep that dies of its wildest entry, or a number where there is none."""
    grid = GRID | {"learning_rate": [1e38, 0.01], "optimizer": ["SGD"], "momentum": [0.0]}
    wild, tame = run(features, grid | {"batch_size": [16], "validation_folds": 5})
    assert wild["diverged"] == "epoch 1, step 2"
    assert not set(METRICS) & set(wild)
    assert "diverged" not in tame
    assert set(METRICS) <= set(tame)


def test_validation_holds_out_each_training_image_once(features: Path) -> None:
    """Validation on images that were trained on, on the test part, or on too few images."""
    seen = []
    train_heads = outcomes.many_heads.train_heads

    def watched(train, test, *rest):
        seen.append((train, test))
        return train_heads(train, test, *rest)

    grid = GRID | {"optimizer": ["Adam"], "batch_size": [16], "momentum": [0.0]}
    with patch.object(outcomes.many_heads, "train_heads", watched):
        rows = run(features, grid | {"validation_folds": 5})
    arrays, _ = read_arrays(features)
    (_, test), *folds = seen
    assert len(test.labels) == 120
    assert len(folds) == 5
    everything = {row.tobytes() for row in arrays["train_features"]}
    held_out_by_fold = [{row.tobytes() for row in held.features} for _, held in folds]
    assert set.union(*held_out_by_fold) == everything
    assert sum(map(len, held_out_by_fold)) == len(everything)
    for (rest, _), held in zip(folds, held_out_by_fold, strict=True):
        assert {row.tobytes() for row in rest.features} == everything - held
    unvalidated = run(features, grid)
    for row, plain in zip(rows, unvalidated, strict=True):
        assert abs(row["validation_accuracy"] - row["test_accuracy"]) < 0.15
        assert (row["validation_accuracy"] * 300) == pytest.approx(
            round(row["validation_accuracy"] * 300)
        )
        assert all(row[name] == plain[name] for name in METRICS[:3])


def test_a_fold_that_diverges_leaves_the_test_metrics(features: Path) -> None:
    """A validation over four folds that passes for five."""
    train_heads = outcomes.many_heads.train_heads

    def breaking(train, test, *rest):
        heads = train_heads(train, test, *rest)
        if len(test.labels) == 60:  # a fold of 300
            heads[0] = TrainedHead(None, None, [], 0.0, "epoch 2, step 3")
        return heads

    with patch.object(outcomes.many_heads, "train_heads", breaking):
        rows = run(features, GRID | {"validation_folds": 5, "optimizer": ["SGD"]})
    (broken,) = (row for row in rows if "diverged" in row)
    assert broken["diverged"] == "fold 1, epoch 2, step 3"
    assert set(METRICS) & set(broken) == set(METRICS[:3])


def test_too_few_images_for_the_folds_are_named(tmp_path: Path) -> None:
    """A traceback from an empty fold."""
    few = write_features(tmp_path / "few.safetensors", count=4)
    with pytest.raises(UserError, match="Blobs has 4 training images, too few for the grid's"):
        run(few, GRID | {"validation_folds": 5})


def test_replicates_have_the_seeds_after_the_first(features: Path) -> None:
    """Replicates that are copies, or whose first is not the table's."""
    rows = run(features, GRID | {"replicates": 2}, seed=3)
    assert [row["seed"] for row in rows[:4]] == [3, 4, 3, 4]
    assert without_seconds(rows[0::2]) == without_seconds(run(features, seed=3))
    assert without_seconds(rows[1::2]) == without_seconds(run(features, seed=4))
    assert rows[0]["test_loss"] != rows[1]["test_loss"]


def test_table_keeps_every_value_and_leaves_the_absent_empty(features: Path) -> None:
    """Rounding on the way, a text column of numbers, or nan for nothing."""
    rows = run(features, GRID | {"learning_rate": [0.01, 1e38]})
    first, second, both = (features.parent / f"{name}.parquet" for name in ("a", "b", "both"))
    diverged = [row for row in rows if "diverged" in row]
    sweep_table.write_rows(first, rows)
    sweep_table.write_rows(second, diverged)
    summary = sweep_table.concatenate(both, [first, second])
    assert summary.startswith(f"{both}: {len(rows) + len(diverged)} rows; {2 * len(diverged)} of")
    expected = [{name: row.get(name) for name in sweep_table.SCHEMA.names} for row in rows]
    written = pq.read_table(both).to_pylist()
    assert written[: len(rows)] == expected
    assert diverged


def test_a_value_without_a_column_is_no_silent_loss(tmp_path: Path) -> None:
    """A metric that is measured and never written."""
    with pytest.raises(ValueError, match="no columns for \\['surprise'\\]"):
        sweep_table.write_rows(tmp_path / "a.parquet", [{"surprise": 1}])


def test_broken_parts_are_named_together(features: Path) -> None:
    """A traceback, or one broken file per run."""
    sound, cut, other, missing, whole = (
        features.parent / f"{name}.parquet" for name in ("s", "cut", "other", "missing", "whole")
    )
    sweep_table.write_rows(sound, run(features))
    cut.write_bytes(sound.read_bytes()[:-50])
    pq.write_table(pq.read_table(sound).drop_columns("seed"), other)
    with pytest.raises(UserError) as raised:
        sweep_table.concatenate(whole, [sound, cut, other, missing])
    lines = str(raised.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == [str(cut), str(other), str(missing)]
    assert not whole.exists()
