"""The table: 16 columns, one row per experiment, in the order of the experiments."""

import csv
import io
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fragments import fragment, target_csv, write_all
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_csv
from metaprobe.tables.collect import collect, target_table
from metaprobe.tables.partial import write_finished
from metaprobe.training.fragment import Fragment

HEADER = (
    "task_id,architecture,learning_rate,optimizer,batch_size,weight_decay,momentum,dropout_rate,"
    "alpha,label_smoothing,grad_clip,test_accuracy,train_accuracy,test_loss,training_time_sec,"
    "epochs"
)
SAMPLE = """
MNIST,ResNet18,0.01,Adam,64,0.0001,,,1.0,,,0.947,0.9232,0.1997,295.4,3
MNIST,ResNet18,0.001,Adam,64,0.0001,,0.1,1.0,0.1,1.0,0.917,0.9068,0.3832,327.1,3
"""
ROUNDED = {"test_accuracy": 4, "train_accuracy": 4, "test_loss": 4, "training_time_sec": 1}
OPTIONAL = ["weight_decay", "momentum", "dropout_rate", "label_smoothing", "grad_clip"]
ALWAYS = [name for name in HEADER.split(",") if name not in OPTIONAL]
NUMBERS = [
    name for name in HEADER.split(",") if name not in ("task_id", "architecture", "optimizer")
]


def written(folder: Path, experiments: list[tuple[str, str]]) -> str:
    """The table of the fragments in a folder, through its file."""
    write_csv(folder / "table.csv", target_table(collect(folder, experiments).experiments))
    return (folder / "table.csv").read_text()


def test_rows_are_the_documents() -> None:
    """A column out of place, 64.0 for 64, 1 for 1.0, zeros where cells are empty."""
    regularized = fragment(
        learning_rate=0.001,
        dropout_rate=0.1,
        label_smoothing=0.1,
        grad_clip=1.0,
        test_accuracy=0.917,
        train_accuracy=0.9068,
        test_loss=0.38321,
        training_time_sec=327.06,
    )
    assert target_csv([fragment(), regularized]) == HEADER + SAMPLE


def test_table_without_rows_has_its_header() -> None:
    """A file that pandas cannot read."""
    assert target_csv([]) == f"{HEADER}\n"


@pytest.mark.parametrize(
    ("column", "value", "cell"),
    [
        ("test_accuracy", 0.94696, "0.947"),
        ("test_accuracy", 1.0, "1.0"),
        ("test_accuracy", 0.0, "0.0"),
        ("train_accuracy", 0.99996, "1.0"),
        ("test_loss", 0.0, "0.0"),
        ("test_loss", 12.34567, "12.3457"),
        ("test_loss", 0.00004, "0.0"),
        ("training_time_sec", 0.04, "0.0"),
        ("training_time_sec", 3601.25, "3601.2"),
        ("momentum", 0.9, "0.9"),
        ("learning_rate", 1e-05, "1e-05"),
        ("weight_decay", 0.0, ""),
        ("grad_clip", 0.0, ""),
    ],
)
def test_cells(column: str, value: float, cell: str) -> None:
    """A metric of 0 taken for absent, or rounded to the wrong place."""
    (row,) = csv.DictReader(io.StringIO(target_csv([fragment(**{column: value})])))
    assert row[column] == cell


HYPERPARAMETERS = {
    "learning_rate": st.floats(1e-8, 1e3),
    "optimizer": st.sampled_from(["Adam", "SGD"]),
    "batch_size": st.integers(1, 10_000),
    "weight_decay": st.floats(0, 1),
    "momentum": st.floats(0, 1, exclude_max=True),
    "dropout_rate": st.floats(0, 1, exclude_max=True),
    "label_smoothing": st.floats(0, 1, exclude_max=True),
    "grad_clip": st.floats(0, 1e6),
    "epochs": st.integers(1, 1000),
}
METRICS = {
    "test_accuracy": st.floats(0, 1),
    "train_accuracy": st.floats(0, 1),
    "test_loss": st.floats(0, 1e4),
    "training_time_sec": st.floats(0, 1e6),
}
ROW = st.fixed_dictionaries(HYPERPARAMETERS | METRICS)
ID = st.from_regex(r"set-[A-Za-z0-9_-]{0,6}", fullmatch=True)
EXPERIMENTS = st.lists(st.tuples(ID, ID), unique=True, max_size=8)


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, min_size=1, max_size=5))
def test_csv_reads_back(rows: list[dict[str, Any]]) -> None:
    """A number changed beyond its rounding, or a metric cell that is empty, by csv or pandas."""
    fragments = [fragment(**values) for values in rows]
    text = target_csv(fragments)
    plain = list(csv.DictReader(io.StringIO(text)))
    frame = pd.read_csv(io.StringIO(text))
    assert list(frame.columns) == HEADER.split(",")
    assert len(plain) == len(frame) == len(fragments)
    assert not frame[ALWAYS].isna().any(axis=None)
    for number, values in enumerate(fragments):
        for column in NUMBERS:
            expected = (
                round(values[column], ROUNDED[column]) if column in ROUNDED else values[column]
            )
            cell = plain[number][column]
            if column in OPTIONAL and expected == 0:
                assert cell == ""
                assert pd.isna(frame[column][number])
            else:
                assert float(cell) == expected
                assert frame[column][number] == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(EXPERIMENTS, st.randoms(use_true_random=False))
def test_rows_are_in_the_order_of_the_experiments(
    tmp_path_factory, experiments: list[tuple[str, str]], order: random.Random
) -> None:
    """Rows in the order of the folder, of the alphabet, or of the jobs' ends."""
    folder = tmp_path_factory.mktemp("metrics")
    fragments = [
        fragment(*experiment, epochs=number)
        for number, experiment in enumerate(experiments, start=1)
    ]
    write_all(folder, order.sample(fragments, len(fragments)))
    assert written(folder, experiments) == target_csv(fragments)


def test_only_the_experiments_of_the_run_are_rows(tmp_path: Path) -> None:
    """Fragments of an earlier run, with other configurations, that slip into the table."""
    experiments = write_all(tmp_path, [fragment(), fragment("KMNIST"), fragment("KMNIST", "old")])
    assert written(tmp_path, experiments[:2]) == target_csv([fragment(), fragment("KMNIST")])


def test_every_missing_fragment_is_named(tmp_path: Path) -> None:
    """A table with fewer rows than experiments; or only the first gap named."""
    experiments = write_all(tmp_path, [fragment("A"), fragment("B"), fragment("C"), fragment("D")])
    (tmp_path / "B" / "plain.json").unlink()
    (tmp_path / "C" / "plain.json").write_text("{")
    (tmp_path / "D" / "plain.json").write_text((tmp_path / "A" / "plain.json").read_text())
    with pytest.raises(UserError) as caught:
        collect(tmp_path, experiments)
    lines = str(caught.value).split("\n")
    assert [line.partition(" ")[0] for line in lines] == [
        f"{tmp_path}/{task_id}/plain.json" for task_id in "BCD"
    ]
    assert "does not exist" in lines[0]
    assert "task_id is A, not D" in lines[2]


def test_partial_table_holds_what_is_finished(tmp_path: Path) -> None:
    """A partial table that fails for the very reason it is made, or that counts what is missing."""
    fragments = [fragment("A"), fragment("C")]
    path = tmp_path / "target_representations.partial.csv"
    said = write_finished(tmp_path, [Fragment.model_validate(one) for one in fragments], 4)
    assert said == f"2 of 4 experiments are finished; they are in {path}."
    assert path.read_text() == target_csv(fragments)
    assert write_finished(tmp_path, [], 3) == "0 of 3 experiments are finished."
    assert path.read_text() == f"{HEADER}\n"
