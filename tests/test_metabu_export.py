"""Metabu's form of the tables: what it holds, what it recovers, and what it warns of."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fragments import fragment, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.core.errors import UserError
from metaprobe.core.parquet import write_parquet
from metaprobe.recommend.meta_table import (
    check_same_tasks,
    read_meta_table,
    select_tasks,
)
from metaprobe.recommend.metabu import (
    clouds,
    cost_matrix,
    export,
    flat_tasks,
    obstacles,
    target_form,
)
from planted_tables import SIX, Planted, planted
from scipy.optimize import linprog
from scipy.stats import spearmanr

SIX_COLUMNS = ["architecture_ResNet18", "architecture_EfficientNetB0", "architecture_MobileNetV2"]
SIX_COLUMNS += ["log10_learning_rate", "dropout_rate", "label_smoothing", "grad_clip"]


def read(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    return header, [row[0] for row in rows], np.array([row[1:] for row in rows], dtype=float)


def warnings_of(table) -> list[str]:
    cost = cost_matrix(clouds(table, target_form(table.configurations)))
    return [*obstacles(table, cost), *flat_tasks(table)]


def raw_clouds(world: Planted) -> np.ndarray:
    """The numeric columns of the 16-column table, empty cells as 0: the first idea of a reader."""
    table = world.table
    numbers = [
        [value for value in one.values() if not isinstance(value, str)]
        for one in table.configurations.values()
    ]
    same = np.broadcast_to(np.array(numbers), (len(table.tasks), *np.shape(numbers)))
    loss = -np.log(np.clip(table.accuracy, 0.01, 1))
    measured = (table.accuracy, np.clip(table.accuracy + 0.02, 0, 1), loss, world.seconds)
    return np.concatenate([same, np.stack(measured, axis=2)], axis=2)


@pytest.mark.parametrize("seed", range(3))
def test_cost_matrix_recovers_planted_similarity_and_the_raw_table_does_not(seed) -> None:
    """A form in which difficulty or time decides which tasks are alike."""
    world = planted(seed)
    pairs = np.triu_indices(len(world.table.tasks), 1)
    truth = world.ranking_distance[pairs]
    ours = cost_matrix(clouds(world.table, target_form(SIX)))[pairs]
    raw = cost_matrix(raw_clouds(world))[pairs]
    assert spearmanr(ours, truth)[0] >= 0.7
    assert spearmanr(raw, truth)[0] < 0.3


def test_tables_are_strictly_numeric_and_join(tmp_path) -> None:
    """A text, an empty cell, a raw accuracy, a time or an id that the other file lacks."""
    table = planted(0).table
    assert export(table, tmp_path, {}) == []
    columns, ids, target = read(tmp_path / "target_representations.csv")
    assert columns == ["task_id", *SIX_COLUMNS, "test_accuracy_z"]
    assert ids == [task for task in table.tasks for _ in range(6)]
    np.testing.assert_allclose(target.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(target.std(axis=0), 1, atol=1e-6)
    z = target[:, -1].reshape(30, 6)
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=1e-9)
    assert (z.argsort(axis=1) == table.accuracy.argsort(axis=1)).all()
    columns, ids, basic = read(tmp_path / "basic_representations.csv")
    assert tuple(columns[1:]) == table.columns
    assert tuple(ids) == table.tasks
    assert np.abs(basic).max() <= 3


def test_scaler_repeats_the_standardisation(tmp_path) -> None:
    """New data sets in other units than those that Metabu was trained on."""
    table = planted(1).table
    constant = np.hstack([table.basic, np.full((30, 1), 7.0)])
    export(replace(table, basic=constant, columns=(*table.columns, "constant")), tmp_path, {})
    scaler = json.loads((tmp_path / "scaler.json").read_text())
    columns, _, basic = read(tmp_path / "basic_representations.csv")
    scales = scaler["basic"]["columns"]
    assert list(scales) == columns[1:] == list(table.columns)
    again = np.array(
        [
            [
                (v - s["mean"]) / s["standard_deviation"]
                for v, s in zip(row, scales.values(), strict=True)
            ]
            for row in table.basic
        ]
    )
    np.testing.assert_allclose(basic, np.clip(again, -3, 3), atol=1e-6)


def test_weight_decay_of_zero_stands_below_the_smallest_in_use() -> None:
    """The logarithm of 0; or no decay taken for a large one."""
    decays = {"none": 0.0, "little": 1e-4, "much": 1e-2}
    one = SIX["resnet18-plain"]
    form = target_form({name: one | {"weight_decay": decay} for name, decay in decays.items()})
    assert form.columns == ("log10_weight_decay",)
    assert form.least_weight_decay == pytest.approx(1e-5)
    none, little, much = form.coordinates[:, 0]
    assert (much - little) == pytest.approx(2 * (little - none))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 7))
def test_cost_is_exact_optimal_transport(seed: int, rows: int) -> None:
    """An assignment that is not the transport Metabu computes, or another normalisation."""
    points = np.random.default_rng(seed).normal(size=(3, rows, 3))
    marginals = np.vstack(
        [np.kron(np.eye(rows), np.ones(rows)), np.kron(np.ones(rows), np.eye(rows))]
    )
    expected = np.zeros((3, 3))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        distances = np.square(points[one][:, None] - points[other][None]).sum(axis=2)
        solved = linprog(distances.ravel(), A_eq=marginals, b_eq=np.full(2 * rows, 1 / rows))
        expected[one, other] = expected[other, one] = solved.fun / distances.max()
    np.testing.assert_allclose(cost_matrix(points), expected / expected.max(), rtol=1e-6)


def test_each_trouble_is_named() -> None:
    """Metabu's silent failures: too few tasks, flat tasks, and costs of 0 that switch learning off."""
    table = planted(0).table
    assert warnings_of(table) == []
    few = select_tasks(table, range(10))
    assert "cannot train on 10 tasks" in warnings_of(few)[0]
    assert "at least 11 are needed" in warnings_of(few)[0]
    assert warnings_of(select_tasks(table, range(11))) == []

    accuracy = table.accuracy.copy()
    accuracy[3] = 0.0
    assert warnings_of(replace(table, accuracy=accuracy)) == [
        "all configurations score the same on Task3: nothing can be learnt from that; leave such "
        "tasks out (only_datasets)"
    ]
    accuracy[7] = 1.0
    tied, flat = warnings_of(replace(table, accuracy=accuracy))
    assert "Task3, Task7" in flat
    assert "Task3 and Task7" in tied

    twins = table.accuracy.copy()
    twins[5] = twins[4] * 0.5 + 0.1
    assert "Task4 and Task5" in warnings_of(replace(table, accuracy=twins))[0]


def test_ids_that_differ_are_named() -> None:
    """Two files that Metabu refuses without saying which task is at fault."""
    with pytest.raises(UserError, match=r"basic\.csv lacks the tasks B, C"):
        check_same_tasks({"A": 1, "B": 1, "C": 1}, {"A": 1}, "basic.csv")
    with pytest.raises(UserError, match="tasks without experiments: a"):
        check_same_tasks({"A": 1}, {"A": 1, "a": 1}, "basic.csv")


def test_configurations_that_only_their_ids_tell_apart_stay_two(tmp_path) -> None:
    """Two points of a task's cloud that become one, or the accuracy of one twice."""
    accuracies = {("A", "one"): 0.5, ("A", "two"): 0.6, ("B", "one"): 0.7, ("B", "two"): 0.8}
    made = [fragment(*ids, test_accuracy=accuracy) for ids, accuracy in accuracies.items()]
    write_parquet(tmp_path / "experiments.parquet", tables(made).experiments)
    basic = pd.DataFrame({"task_id": ["A", "B"], "one": [1.0, 2.0]})
    write_parquet(tmp_path / "basic.parquet", basic)
    table = read_meta_table(tmp_path / "experiments.parquet", tmp_path / "basic.parquet")
    assert list(table.configurations) == ["one", "two"]
    np.testing.assert_array_equal(table.accuracy, [[0.5, 0.6], [0.7, 0.8]])
    assert clouds(table, target_form(table.configurations)).shape == (2, 2, 1)
    assert table.families == ("digits", "digits")


def test_validation_counts_only_where_every_experiment_has_it(tmp_path) -> None:
    """Configurations without validation images that lose each choice; tasks in another order."""
    basic = pd.DataFrame({"task_id": ["A", "B"], "one": [1.0, 2.0]})
    write_parquet(tmp_path / "basic.parquet", basic)
    for values in ([0.5, 0.6, 0.7, 0.8], [0.5, None, 0.7, 0.8]):
        ids = [(task, name) for task in "BA" for name in ("two", "one")]
        made = [
            fragment(*one, validation_accuracy=value)
            for one, value in zip(ids, values, strict=True)
        ]
        write_parquet(tmp_path / "experiments.parquet", tables(made).experiments)
        table = read_meta_table(tmp_path / "experiments.parquet", tmp_path / "basic.parquet")
        assert table.tasks == ("B", "A")
        if None in values:
            assert table.chosen_on == "test"
            assert table.chosen_by is table.accuracy
        else:
            assert table.chosen_on == "validation"
            assert table.chosen_by.tolist() == [[0.5, 0.6], [0.7, 0.8]]


def test_every_hyperparameter_is_a_coordinate() -> None:
    """One that is not among the columns of the target table left out of Metabu's space."""
    one = SIX["resnet18-plain"]
    schedules = {
        "constant": one | {"schedule": "constant", "warmup": 0},
        "cosine": one | {"schedule": "cosine", "warmup": 2},
    }
    columns = target_form(schedules).columns
    assert columns == ("schedule_constant", "schedule_cosine", "warmup")
