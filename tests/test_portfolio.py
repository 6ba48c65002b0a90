"""The portfolio: greedy, chosen without the family it is judged on, and cheap."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.core.files import csv_text, write_checked_json
from metaprobe.recommend.meta_table import MetaTable, select_tasks
from metaprobe.recommend.portfolio import (
    COLUMNS,
    LARGEST,
    greedy,
    held_out,
    in_words,
    portfolio_rows,
    to_json,
    to_table,
)
from planted_tables import SIX, planted


def made(accuracy: list[list[float]] | np.ndarray, families: str, **changes) -> MetaTable:
    """A table of given accuracies, tasks t0, t1, …, configurations c0, c1, …"""
    values = np.array(accuracy, dtype=float)
    tasks, count = values.shape
    return MetaTable(
        tasks=tuple(f"t{number}" for number in range(tasks)),
        families=tuple(families),
        configurations={f"c{number}": SIX["resnet18-plain"] for number in range(count)},
        accuracy=values,
        columns=(),
        basic=np.zeros((tasks, 0)),
        **changes,
    )


def rows_of(table: MetaTable, floor: float = 0.0) -> list[dict]:
    return portfolio_rows(table, dict.fromkeys(table.tasks, floor), seed=0)


def of_kind(rows: list[dict], kind: str) -> list[dict]:
    return [row for row in rows if row["row"] == kind]


LOSSES = st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=6).map(
    lambda rows: np.array(rows, dtype=float)
)


@settings(deadline=None)
@given(LOSSES)
def test_each_step_is_the_best_there_is(losses: np.ndarray) -> None:
    """A step that ignores what is in the set already; a configuration twice; one left out."""
    order = greedy(losses, 9)
    assert sorted(order) == [0, 1, 2, 3]
    for size in range(1, 5):
        reached = losses[:, order[:size]].min(axis=1).mean()
        others = [
            losses[:, [*order[: size - 1], other]].min(axis=1).mean()
            for other in range(4)
            if other not in order[: size - 1]
        ]
        assert reached == pytest.approx(min(others))


def test_a_set_need_not_be_of_the_best_on_average() -> None:
    """The best few by their means, which all do well on the same tasks."""
    accuracy = [[0.9, 0.88, 0.1], [0.9, 0.88, 0.1], [0.5, 0.52, 0.9]]
    rows = of_kind(rows_of(made(accuracy, "abc")), "portfolio")
    assert [row["configuration"] for row in rows] == ["c0", "c2", "c1"]
    assert rows[1]["regret_points_in_sample"] == 0


def test_family_held_out_has_no_part_in_the_choice() -> None:
    """A leak: what is best on EMNIST known from MNIST, or from the task itself."""
    table = planted(0, tasks=12).table
    before = held_out(table, 3)
    for task in range(12):
        accuracy = table.accuracy.copy()
        relatives = [i for i, one in enumerate(table.families) if one == table.families[task]]
        accuracy[relatives] = np.random.default_rng(task).random((len(relatives), 6))
        assert held_out(replace(table, accuracy=accuracy), 3)[task] == before[task]
    others = [i for i, one in enumerate(table.families) if one != table.families[0]]
    alone = select_tasks(table, others)
    loss = alone.accuracy.max(axis=1, keepdims=True) - alone.accuracy
    assert before[0] == greedy(loss, 3)


def test_regret_on_known_answers() -> None:
    """Fractions for points, the best of the set for the best of all, a floor added."""
    accuracy = [[0.9, 0.4, 0.6], [0.8, 0.4, 0.6], [0.2, 0.7, 0.6]]
    rows = rows_of(made(accuracy, "abc"), floor=2.0)
    first = {row["task_id"]: row for row in of_kind(rows, "held_out") if row["size"] == 1}
    assert [first[task]["configuration"] for task in ("t0", "t1", "t2")] == ["c2", "c2", "c0"]
    assert [first[task]["regret_points"] for task in ("t0", "t1", "t2")] == pytest.approx(
        [30, 20, 50]
    )
    assert first["t0"]["regret_above_floor_points"] == pytest.approx(28)
    assert first["t0"]["test_accuracy"] == 0.6
    portfolio = of_kind(rows, "portfolio")
    assert portfolio[0]["regret_points"] == pytest.approx(100 / 3)
    assert portfolio[-1]["regret_points"] == 0
    best = [row["configuration"] for row in of_kind(rows, "best")]
    assert best == ["c0", "c0", "c1"]


def test_validation_images_choose_and_test_images_judge() -> None:
    """The best of K picked on what judges it although validation images are there."""
    accuracy = np.array([[0.9, 0.5], [0.8, 0.6], [0.7, 0.6]])
    table = made(accuracy, "abc", validation=accuracy[:, ::-1])
    rows = rows_of(table)
    for row in of_kind(rows, "held_out") + of_kind(rows, "best"):
        assert row["configuration"] == "c1"
        assert row["regret_points"] > 5
    assert of_kind(rows, "portfolio")[-1]["regret_points_in_sample"] == pytest.approx(70 / 3)
    assert "picked on the validation images" in in_words(rows, table.chosen_on)


def test_sentence_says_what_was_found() -> None:
    """A default without what it loses; the regret of sets chosen anew told of the one that is named."""
    table = planted(0).table
    rows = rows_of(replace(table, validation=table.accuracy), floor=1.5)
    sentence = in_words(rows, "validation")
    first, second = of_kind(rows, "portfolio")[:2]
    assert f"one would use {first['configuration']}: " in sentence
    assert f"is {first['regret_points']:.2f} points (" in sentence
    names = f"{first['configuration']}, {second['configuration']}"
    told = f"The best of 2 chosen like this (on all tasks: {names}), picked on the validation images, is "
    assert told in sentence
    assert f"{second['regret_points']:.2f} points (" in sentence.partition(told)[2]
    assert "behind on families that had no part. That is not above the noise floor" in sentence
    assert "noise floor" not in in_words(rows_of(table, floor=-1.0), "validation")
    assert "The best of" not in in_words(rows_of(table, floor=99.0), "validation")


def test_what_is_chosen_on_test_images_is_not_held_against_the_floor() -> None:
    """`No more than the noise floor` of the best of all, which has a regret of 0 by construction."""
    rng = np.random.default_rng(0)
    table = made(rng.normal(0.7, 0.1, (12, 6)), "abcdefghijkl")
    sentence = in_words(rows_of(table, floor=1.5), table.chosen_on)
    assert "picked on the test images that judge it, and so too good, is " in sentence
    assert "noise floor" not in sentence
    alone = in_words(rows_of(table, floor=99.0), table.chosen_on)
    assert "The best of" not in alone
    assert "That is not above the noise floor" in alone


def test_missing_interval_is_said() -> None:
    """A mean of few families that looks as if it were exact."""
    rows = rows_of(made([[0.9, 0.5], [0.8, 0.6], [0.7, 0.6]], "abc"))
    assert "points (no interval) behind" in in_words(rows, "test")


@pytest.mark.parametrize(("tasks", "families"), [(1, "a"), (3, "aaa"), (2, "ab")])
def test_small_tables_have_a_portfolio(tmp_path, tasks: int, families: str) -> None:
    """The demo failing; NaN in JSON; a verdict from one family."""
    accuracy = np.random.default_rng(0).random((tasks, 3))
    table = made(accuracy, families)
    floors = dict.fromkeys(table.tasks, 0.5)
    rows = portfolio_rows(table, floors, seed=0)
    write_checked_json(tmp_path / "portfolio.json", to_json(table, floors, rows))
    text = csv_text(to_table(rows))
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert len(of_kind(rows, "portfolio")) == 3
    held = of_kind(rows, "held_out")
    assert len(held) == (6 if len(set(families)) > 1 else 0)
    assert ("cannot be told from one family" in in_words(rows, "test")) == (not held)
    for row in of_kind(rows, "portfolio"):
        assert row["regret_points_low"] is None


def test_thirty_tasks_and_48_configurations_take_seconds() -> None:
    """A search that grows with the number of sets; sizes beyond the largest."""
    rng = np.random.default_rng(0)
    families = "n" * 8 + "ss" + "abcdefghijklmopqrtuv"
    table = made(np.clip(rng.normal(0.7, 0.1, (30, 48)), 0, 1), families)
    start = time.process_time()
    rows = rows_of(table)
    assert time.process_time() - start < 5
    steps = of_kind(rows, "portfolio")
    assert len(steps) == LARGEST
    for one, other in itertools.pairwise(steps):
        assert other["regret_points_in_sample"] <= one["regret_points_in_sample"]
        assert other["regret_points"] <= one["regret_points"]
    assert len(of_kind(rows, "held_out")) == 30 * LARGEST
    assert len(of_kind(rows, "best")) == 30
