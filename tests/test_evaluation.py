"""The evaluation: honest hold-out, metrics with known answers, and a placebo that falls to chance."""

import csv
import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.core.files import csv_text
from metaprobe.recommend.evaluation import (
    ABOVE_FLOOR,
    EXHAUSTIVE,
    JUDGED,
    METRICS,
    Outcome,
    evaluate,
    expect_at_random,
    hold_out,
    judge,
)
from metaprobe.recommend.evaluation_table import (
    NO_DIFFERENCE,
    evaluation_rows,
    notes,
    to_json,
    to_table,
)
from metaprobe.recommend.meta_table import MetaTable, select_tasks
from metaprobe.tables.statistics import holm
from planted_tables import planted


def outcomes_of(table: MetaTable, floor: float = 0.0) -> list[Outcome]:
    floors = dict.fromkeys(table.tasks, floor)
    return evaluate(table, floors, method="nearest", neighbours=10, seed=0)


def rows_of(table: MetaTable, floor: float = 0.0) -> dict[tuple[str, str], dict]:
    outcomes = outcomes_of(table, floor)
    return {(row["protocol"], row["method"]): row for row in evaluation_rows(outcomes, 0)}


def pooled(seeds: range, shuffle: bool = False) -> tuple[float, float]:
    """Mean regret of `nearest` and of the global best over several planted tables."""
    found = []
    for seed in seeds:
        table = planted(seed).table
        if shuffle:
            order = np.random.default_rng(seed + 99).permutation(len(table.tasks))
            table = replace(table, basic=table.basic[order])
        by_method = {
            (one.protocol, one.method): one.metrics["regret_points"].mean()
            for one in outcomes_of(table)
        }
        found.append([by_method["family", "nearest"], by_method["family", "global_best"]])
    ours, theirs = np.mean(found, axis=0)
    return float(ours), float(theirs)


def test_recommendation_beats_the_global_best_where_tasks_are_alike() -> None:
    """Meta-features that are there but not used."""
    ours, theirs = pooled(range(3))
    assert ours < theirs / 2
    row = rows_of(planted(0).table)["family", "nearest"]
    assert row["holm_p"] < 0.05
    assert row["conclusion"].startswith("better than the global best by ")


def test_shuffled_meta_features_are_no_better_than_the_global_best() -> None:
    """An evaluation that finds a benefit where there can be none: a leak of the held-out task."""
    ours, theirs = pooled(range(3), shuffle=True)
    assert ours > 0.8 * theirs
    for seed in range(3):
        rows = rows_of(planted(seed).table)
        for protocol in ("task", "family"):
            placebo = rows[protocol, "nearest_shuffled"]
            if protocol == "family":
                assert placebo["conclusion"] == NO_DIFFERENCE
            chance = rows[protocol, "random"]["regret_points"]
            assert placebo["regret_points"] == pytest.approx(chance, rel=0.2)
            assert placebo["regret_points"] > 2 * rows[protocol, "nearest"]["regret_points"]


def test_held_out_accuracies_never_reach_the_ranking() -> None:
    """The leak of Metabu's own train_predict: changing the held-out rows changes the advice."""
    table = planted(0).table
    accuracy = table.accuracy.copy()
    accuracy[4] = accuracy[4][::-1]
    other = replace(table, accuracy=accuracy)
    for protocol, table_of in itertools.product(("task", "family"), (table, other)):
        task, others = hold_out(table_of, protocol)[4]
        assert task == 4
        assert 4 not in others
    first, second = (outcomes_of(one)[0].metrics["ndcg_at_3"] for one in (table, other))
    assert first[4] != second[4]


def test_family_holds_out_relatives_and_a_lone_family_is_passed_over() -> None:
    """EMNIST_MNIST recommended from MNIST; or a crash where nothing is left."""
    table = select_tasks(planted(0).table, range(4))
    table = replace(table, families=("a", "a", "b", "b"))
    assert hold_out(table, "family") == [(0, [2, 3]), (1, [2, 3]), (2, [0, 1]), (3, [0, 1])]
    assert hold_out(replace(table, families=("a",) * 4), "family") == []


def test_judge_on_known_answers() -> None:
    """Points for fractions, ranks from 0, or a rank that ignores ties."""
    accuracy = np.array([0.5, 0.9, 0.7, 0.7])
    best = judge(np.array([0.0, 9.0, 2.0, 1.0]), accuracy)
    assert best == {
        "regret_points": 0.0,
        "normalised_regret": 0.0,
        "rank": 1.0,
        "top1": 1.0,
        "ndcg_at_3": pytest.approx(1.0),
    }
    second = judge(np.array([0.0, 1.0, 2.0, 0.5]), accuracy)
    assert second["regret_points"] == pytest.approx(20)
    assert second["normalised_regret"] == pytest.approx(0.5)
    assert second["rank"] == 2.5
    assert second["top1"] == 0
    ideal = 1 + 0.5 / np.log2(3) + 0.5 / 2
    assert second["ndcg_at_3"] == pytest.approx((0.5 + 1 / np.log2(3) + 0.5 / 2) / ideal)
    flat = judge(np.arange(4.0), np.full(4, 0.25))
    assert flat["regret_points"] == flat["normalised_regret"] == 0
    assert flat["top1"] == flat["ndcg_at_3"] == 1


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=5))
def test_expectation_at_random_is_the_mean_over_all_rankings(values: list[int]) -> None:
    """A chance level that is not chance."""
    accuracy = np.array(values) / 10
    expected = expect_at_random(accuracy)
    orders = list(itertools.permutations(range(len(values))))
    found = [judge(np.array(order, dtype=float), accuracy) for order in orders]
    for metric in JUDGED:
        assert expected[metric] == pytest.approx(np.mean([one[metric] for one in found])), metric


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=2, max_size=5))
def test_equal_scores_are_judged_in_any_order(pairs: list[tuple[int, int]]) -> None:
    """The one that is declared first, which is luck, told as what a method has chosen."""
    scores, accuracy = np.array(pairs, dtype=float).T
    found = judge(scores, accuracy / 10)
    orders = (np.array(one, dtype=float) for one in itertools.permutations(range(len(pairs))))
    broken = [judge(scores + order / 10, accuracy / 10) for order in orders]
    for metric in JUDGED:
        assert found[metric] == pytest.approx(np.mean([one[metric] for one in broken])), metric


def test_holm_on_known_answers() -> None:
    """Holm's correction without its order."""
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx(
        {"b": 0.03, "c": 0.06, "a": 0.06}
    )


def test_regret_above_the_floor_is_the_regret_less_the_floor() -> None:
    """A floor of another task, added instead of taken off, or one that changes the test."""
    table = select_tasks(planted(0).table, range(8))
    floors = {task: number / 10 for number, task in enumerate(table.tasks)}
    found = evaluate(table, floors, method="nearest", neighbours=10, seed=0)
    for one in found:
        expected = one.metrics["regret_points"] - [floors[task] for task in one.tasks]
        assert one.metrics[ABOVE_FLOOR] == pytest.approx(expected)
    rows = evaluation_rows(found, 0)
    without = rows_of(table)
    assert [row["p"] for row in rows] == [row["p"] for row in without.values()]
    details = to_json(found, rows, table, floors, neighbours=10)
    assert details["noise_floor_points"] == floors
    assert details["chosen_on"] == "test"


def test_choices_are_made_on_validation_images_and_judged_on_test_images() -> None:
    """Test accuracies that reach a recommender, or validation accuracies that judge one."""
    table = select_tasks(planted(0).table, range(12))
    turned = replace(table, accuracy=table.accuracy[:, ::-1], validation=table.accuracy)
    plain = {(one.protocol, one.method): one for one in outcomes_of(table)}
    found = {(one.protocol, one.method): one for one in outcomes_of(turned)}
    for protocol in ("task", "family"):
        ours, theirs = found[protocol, "nearest"], plain[protocol, "nearest"]
        assert ours.metrics["regret_points"].mean() > 1.5 * theirs.metrics["regret_points"].mean()
        exhaustive = found[protocol, EXHAUSTIVE].metrics["regret_points"]
        best = table.accuracy.argmax(axis=1)
        judged = turned.accuracy[np.arange(len(best)), best]
        assert exhaustive == pytest.approx(100 * (turned.accuracy.max(axis=1) - judged))
        assert (protocol, EXHAUSTIVE) not in plain
    (row,) = (
        row
        for row in evaluation_rows([*found.values()], 0)
        if (row["protocol"], row["method"]) == ("family", EXHAUSTIVE)
    )
    assert row["p"] is not None
    assert row["holm_p"] is None


def test_relatives_do_not_make_a_difference() -> None:
    """Twelve tasks of two families taken for twelve that agree: p = 0.0005 for what is 1 in 2."""
    table = select_tasks(planted(0).table, range(12))
    rows = rows_of(replace(table, families=("a", "b") * 6))
    for (_, method), row in rows.items():
        if method != "global_best":
            assert row["p"] >= 0.5
            assert row["conclusion"].startswith("too few families to tell: 2, at least ")
            assert row["regret_points_low"] is None


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_few_tasks_are_said_to_be_too_few(tasks) -> None:
    """The demo failing, or a verdict from three tasks."""
    table = select_tasks(planted(0).table, range(tasks))
    outcomes = outcomes_of(table)
    rows = evaluation_rows(outcomes, 0)
    to_json(outcomes, rows, table, dict.fromkeys(table.tasks, 0.5), neighbours=10)
    assert len(notes(outcomes)) == 2
    assert "too few to say whether a recommendation helps" in notes(outcomes)[0]
    for row in rows:
        expected = "itself" if row["method"] == "global_best" else "too few families to tell"
        assert expected in row["conclusion"]
    assert csv_text(to_table(rows)).startswith("protocol,method,tasks,regret_points,")


def test_table_has_every_method_under_both_protocols() -> None:
    """A baseline left out where it would win."""
    rows = rows_of(planted(0).table)
    methods = {"nearest", "nearest_1", "logme", "global_best", "random", "nearest_shuffled"}
    assert rows.keys() == set(itertools.product(("task", "family"), methods))
    for row in csv.DictReader(io.StringIO(csv_text(to_table(list(rows.values()))))):
        for metric in METRICS:
            if row["method"] == "random" and metric in ("rank", "top1"):
                assert row[f"{metric}_low"] == row[f"{metric}_high"] == ""  # the same everywhere
                continue
            low, mean, high = (float(row[f"{metric}{end}"]) for end in ("_low", "", "_high"))
            assert low <= mean <= high
