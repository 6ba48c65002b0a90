"""Recommendations: the neighbours, the ranking, what to expect, and when not to trust it."""

import csv
import io
import sys
import types
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from metaprobe.config.settings import Settings
from metaprobe.core.errors import UserError
from metaprobe.core.files import csv_text, write_checked_json
from metaprobe.recommend.meta_table import MetaTable, select_tasks
from metaprobe.recommend.ranking import (
    judge_coverage,
    read_new_task,
    recommend,
    to_table,
    to_text,
)
from metaprobe.recommend.recommenders import (
    METABU_SEEDS,
    RECOMMENDERS,
    global_best,
    logme,
    metabu,
    nearest,
    recommender,
)
from planted_tables import SIX, planted

NAMES = list(SIX)


def small() -> MetaTable:
    """Three tasks on a line: what is best on the first is worst on the last."""
    return MetaTable(
        tasks=("Left", "Middle", "Right"),
        families=("Left", "Middle", "Right"),
        configurations=dict(list(SIX.items())[:2]),
        accuracy=np.array([[0.9, 0.5], [0.6, 0.6], [0.1, 0.3]]),
        columns=("place",),
        basic=np.array([[0.0], [1.0], [2.0]]),
    )


def test_ranking_is_that_of_the_nearest_tasks() -> None:
    """The farthest task taken for the nearest; or a ranking upside down."""
    left, right = (nearest(small(), np.array([place]), 1).scores for place in (-0.1, 2.1))
    assert left[0] > left[1]
    assert right[1] > right[0]


def test_expected_accuracy_is_the_weighted_mean_of_the_neighbours() -> None:
    """An expectation that no neighbour supports."""
    found = recommend("New", np.array([0.1]), small(), method="nearest", neighbours=2)
    weights = np.exp([-1.0, -2.0]) / np.exp([-1.0, -2.0]).sum()
    best = found["configurations"][0]
    assert best["configuration"] == NAMES[0]
    assert best["expected_accuracy"] == pytest.approx(weights @ [0.9, 0.6])
    deviations = np.array([0.9, 0.6]) - weights @ [0.9, 0.6]
    assert best["accuracy_spread"] == pytest.approx(np.sqrt(weights @ deviations**2))
    assert [one["task_id"] for one in found["neighbours"]] == ["Left", "Middle"]
    assert [one["weight"] for one in found["neighbours"]] == pytest.approx(weights)


def test_validation_images_choose_and_test_images_tell_what_to_expect() -> None:
    """A best configuration named for the luck that it had on the test images."""
    table = replace(small(), validation=small().accuracy[:, ::-1])
    found = recommend("New", np.array([0.1]), table, method="nearest", neighbours=1)
    assert found["configurations"][0]["configuration"] == NAMES[1]
    assert found["configurations"][0]["expected_accuracy"] == pytest.approx(0.5)
    assert found["neighbours"][0]["best_configuration"] == NAMES[1]
    assert found["neighbours"][0]["best_accuracy"] == pytest.approx(0.5)
    assert global_best(select_tasks(table, [0]), np.zeros(1)).scores.argmax() == 1
    few = select_tasks(table, [2, 0])
    assert few.validation is not None
    assert few.validation[:, ::-1].tolist() == few.accuracy.tolist()


def test_units_of_a_column_do_not_matter() -> None:
    """A column in large units that decides alone; or a constant one that divides by 0."""
    table = planted(0).table
    units = np.where(np.arange(len(table.columns)) % 2, 1e6, 1e-6)
    other = replace(
        table,
        basic=np.hstack([table.basic * units + 5, np.ones((30, 1))]),
        columns=(*table.columns, "constant"),
    )
    new = planted(1).table.basic[0]
    ours = nearest(table, new, 5).weights
    theirs = nearest(other, np.append(new * units + 5, 1.0), 5).weights
    np.testing.assert_allclose(ours, theirs)


def test_logme_decides_the_architecture_and_the_mean_the_rest() -> None:
    """LogME of one architecture read for another; or ties within an architecture left to chance."""
    table = planted(0).table
    new = table.basic[0].copy()
    new[-3:] = [0.1, 0.3, 0.2]
    order = np.argsort(-logme(table, new).scores)
    architectures = [SIX[NAMES[position]]["architecture"] for position in order]
    assert architectures == [
        *["EfficientNetB0"] * 2,
        *["MobileNetV2"] * 2,
        *["ResNet18"] * 2,
    ]
    overall = global_best(table, new).scores
    for pair in (order[:2], order[2:4], order[4:]):
        assert overall[pair[0]] >= overall[pair[1]]
    with pytest.raises(UserError, match="no column LogME_ResNet18"):
        logme(replace(table, columns=table.columns[:-3], basic=table.basic[:, :-3]), new[:-3])


def test_random_weights_are_warned_of() -> None:
    """A demo whose ranking of untrained backbones is taken for advice."""
    advice = {"method": "nearest", "neighbours": 2}
    new = np.array([0.1])
    assert "random" not in to_text(recommend("New", new, small(), **advice))
    text = to_text(recommend("New", new, small(), **advice, weights="random"))
    assert "\nwarning: the backbones have random weights" in text


def test_warning_outside_the_table_and_none_inside() -> None:
    """A recommendation for medical scans from a table of digits that looks like any other."""
    table = planted(0).table
    inside = table.basic[:5].mean(axis=0)
    assert not judge_coverage(table, inside)["outside"]
    outside = inside + 6 * table.basic.std(axis=0)
    found = recommend("Far", outside, table, method="nearest", neighbours=10)
    assert found["coverage"]["outside"]
    assert "outside what the table covers" in found["warnings"][0]
    beyond = [one["column"] for one in found["coverage"]["columns_beyond_the_table"]]
    assert len(beyond) > 10
    assert "warning: " in to_text(found)


def test_one_odd_column_is_named() -> None:
    """A data set of a thousand classes among tasks of ten, without a word."""
    table = planted(0).table
    odd = table.basic[0].copy()
    odd[2] = table.basic[:, 2].max() + 1
    warnings = recommend("Odd", odd, table, method="nearest", neighbours=10)["warnings"]
    assert any("1 of its 15 meta-features" in text and "feature_2" in text for text in warnings)


@pytest.mark.parametrize("method", ["nearest", "logme", "global_best"])
def test_every_method_ranks_all_configurations_once(method) -> None:
    """A configuration lost or doubled; a file that cannot be read back."""
    table = planted(2).table
    found = recommend("New", table.basic[3] + 0.1, table, method=method, neighbours=10)
    rows = list(csv.DictReader(io.StringIO(csv_text(to_table(found)))))
    assert sorted(row["configuration"] for row in rows) == sorted(NAMES)
    assert [int(row["rank"]) for row in rows] == list(range(1, 7))
    assert [float(row["score"]) for row in rows] == sorted(
        (float(row["score"]) for row in rows), reverse=True
    )
    assert rows[0]["architecture"] == SIX[rows[0]["configuration"]]["architecture"]


def test_description_of_other_columns_is_refused(tmp_path) -> None:
    """Values joined by their place and not by their name."""
    table = small()
    write_checked_json(tmp_path / "a.json", {"rows": [{"place": 1.5}]})
    assert read_new_task(str(tmp_path / "a.json"), table) == [1.5]
    write_checked_json(tmp_path / "b.json", {"rows": [{"spot": 1.5}]})
    with pytest.raises(UserError, match="differ in place, spot"):
        read_new_task(str(tmp_path / "b.json"), table)


def test_task_of_the_table_is_refused() -> None:
    """A task that is its own nearest neighbour."""
    with pytest.raises(UserError, match="its accuracies are known"):
        recommend("Left", np.array([0.0]), small(), method="nearest", neighbours=1)


def test_settings_and_code_have_the_same_methods() -> None:
    """A method that the settings allow and the code has not."""
    allowed = get_args(Settings.model_fields["recommender"].annotation)
    assert list(allowed) == list(RECOMMENDERS)
    for name in RECOMMENDERS:
        assert callable(recommender(name, 1))


def test_metabu_that_is_not_installed_is_explained(monkeypatch) -> None:
    """A traceback, or advice to install a package from an index that has not got it."""
    monkeypatch.setitem(sys.modules, "metabu", None)
    with pytest.raises(UserError, match=r"on no package index; install it by: .*git\+https"):
        metabu(planted(0).table, planted(0).table.basic[0], 10)


def test_metabu_is_trained_on_the_table_alone_and_by_its_own_names(monkeypatch) -> None:
    """The new task leaking into training; texts or NaN among its columns; one seed only."""
    seen = []

    class StandIn:
        """Metabu's two calls; it learns that the first meta-feature is all that counts."""

        def __init__(self, *, seed: int) -> None:
            self.seed = seed

        def train(self, basic, target, column_id) -> None:
            assert column_id == "task_id"
            seen.append((self.seed, basic, target))

        def predict(self, basic):
            return basic[["feature_0"]].to_numpy()

    monkeypatch.setitem(sys.modules, "metabu", types.SimpleNamespace(Metabu=StandIn))
    table = planted(0).table
    new = table.basic[0] + 100
    new[0] = table.basic[7, 0]
    advice = metabu(table, new, 3)
    assert int(np.argmax(advice.weights)) == 7
    assert advice.weights.sum() == pytest.approx(1)
    assert [seed for seed, _, _ in seen] == list(METABU_SEEDS)
    for _, basic, target in seen:
        assert list(basic.task_id) == list(table.tasks)
        assert list(target.task_id.unique()) == list(table.tasks)
        assert np.isfinite(target.drop(columns="task_id").to_numpy(dtype=float)).all()
    flat = table.accuracy.copy()
    flat[3] = 0.5
    assert metabu(replace(table, accuracy=flat), new, 3).weights[7] > 0.5
    flat[8] = 0.9
    with pytest.raises(UserError, match="Task3 and Task8; Metabu would silently learn nothing"):
        metabu(replace(table, accuracy=flat), new, 3)
    with pytest.raises(UserError, match="cannot train on 10 tasks"):
        metabu(select_tasks(table, range(10)), new, 3)
