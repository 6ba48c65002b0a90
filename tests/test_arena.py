"""The arena: targets, rankers and how they are judged."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.arena.judgement import (
    BY_MEAN_RANK,
    BY_SIZE,
    COLUMNS,
    MEASURES,
    PLACEBO,
    Entrants,
    combined,
    differing,
    judge,
    verdict,
)
from metaprobe.recommend.arena.reading import Finished
from metaprobe.recommend.arena.scores import score, source_probabilities
from metaprobe.recommend.arena.targets import HEAD, recipe_name, targets_of
from metaprobe.recommend.transferability import METRICS, NEEDS_SOURCE

BACKBONES = ["a", "b", "c", "d", "e"]
CANDIDATES = Candidates(
    {
        f"{name}-{recipe}": {"architecture": name, "learning_rate": rate}
        for name in BACKBONES
        for recipe, rate in (("slow", 0.01), ("fast", 0.1))
    },
    dict(zip(BACKBONES, [1e6, 2e6, 3e6, 4e6, 5e6], strict=True)),
)


def run_of(tasks: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Accuracies (T, C) and which of 400 test images are right, of tasks with orders of their own."""
    rng = np.random.default_rng(seed)
    right = []
    for _ in range(tasks):
        merit = rng.permutation(5) * 0.08 + 0.4
        chance = np.repeat(merit, 2) + np.tile([0.0, 0.02], 5)
        right.append((rng.random((10, 400)) < chance[:, None]).astype(np.float64))
    return np.stack([one.mean(axis=1) for one in right]), right


def entrants_of(accuracy: np.ndarray, seed: int = 0) -> Entrants:
    """A perfect score, noise under the name of LogME, and lists."""
    rng = np.random.default_rng(seed)
    tasks = len(accuracy)
    truth = accuracy.reshape(tasks, 5, 2).mean(axis=2)
    scores = {"perfect": truth, "logme": rng.normal(size=(tasks, 5))}
    return Entrants(
        [f"t{number}" for number in range(tasks)],
        [f"f{number // 2}" for number in range(tasks)],
        BACKBONES,
        scores,
        {name: np.stack([one, one], axis=1) for name, one in scores.items()},
        {BY_SIZE: np.arange(5.0), "imagenet_accuracy": np.array([0.7, np.nan, 0.6, 0.5, 0.8])},
        {"perfect": 0.1},
    )


def rows_of(tasks: int = 24) -> dict[tuple[str, str], dict[str, Any]]:
    accuracy, right = run_of(tasks)
    targets = targets_of(CANDIDATES, accuracy, None, right)
    rows = judge(entrants_of(accuracy), targets, seed=0)
    assert all(tuple(row) == COLUMNS for row in rows)
    return {(row["target"], row["ranker"]): row for row in rows}


def test_targets_are_the_head_and_each_recipe() -> None:
    """A recipe that is judged on another one's accuracies, or a head that is chosen on test images."""
    accuracy, right = run_of(3)
    head, slow, fast = targets_of(CANDIDATES, accuracy, None, right)
    assert (head.name, slow.name, fast.name) == (HEAD, "slow", "fast")
    np.testing.assert_allclose(head.accuracy, accuracy.reshape(3, 5, 2).mean(axis=2))
    np.testing.assert_allclose(fast.accuracy, accuracy[:, 1::2])
    chosen_by = np.tile([1.0, 0.0], (3, 5))  # the validation images are for the slow one
    head, *_ = targets_of(CANDIDATES, accuracy, chosen_by, right)
    np.testing.assert_allclose(head.accuracy, accuracy[:, ::2])
    np.testing.assert_allclose(head.right[1].mean(axis=1), head.accuracy[1])


def test_what_only_two_backbones_have_is_no_target() -> None:
    """An order of two, in which every score is right half of the time."""
    two = Candidates(
        {"a-x": {"architecture": "a"}, "b-x": {"architecture": "b"}}, {"a": 1.0, "b": 2.0}
    )
    assert targets_of(two, np.ones((4, 2)), None, [np.ones((2, 9))] * 4) == []


def test_recipe_is_named_by_what_its_ids_share() -> None:
    """A name that is one backbone's, for a recipe of all."""
    assert recipe_name(["resnet18-plain", "vit-plain"]) == "plain"
    assert recipe_name(["one", "two"]) == "one and its like"
    again = recipe_name(["resnet18-plain", "vit-plain"], {"plain"})
    assert again == "resnet18-plain and its like", "two recipes of one name would be one row"


def test_perfect_score_wins_and_noise_does_not() -> None:
    """An order that is read upside down; a test that finds noise better than a list, or truth not."""
    rows = rows_of()
    perfect, noise = rows[HEAD, "perfect"], rows[HEAD, "logme"]
    assert perfect["weighted_tau"] == pytest.approx(1)
    assert perfect["regret_points"] == 0
    assert perfect["regret_above_floor_points"] < 0
    assert perfect["fidelity"] == 1
    assert perfect["stability"] == pytest.approx(1)
    assert perfect["holm_p"] < 0.05
    assert noise["holm_p"] > 0.05
    assert abs(noise["weighted_tau"]) < 0.4
    sentence = verdict(list(rows.values()))
    assert "perfect for head" in sentence
    assert "logme for" not in sentence


def test_no_interval_leaves_the_range_of_its_measure() -> None:
    """A weighted tau of at most 2.2, which says that nobody looked."""
    rows = rows_of()
    for row in rows.values():
        for name, (least, most) in MEASURES.items():
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            assert low is None or least <= low <= row[name] <= high <= most


def test_probes_of_a_pool_that_gave_its_validation_images_are_all_found() -> None:
    """Probes of 310 images that are looked for among 248, as 62 of them were taken to choose on: a NaN ends
    the search, and the first configuration is advised.
    """
    curve = {str(images): images / 1000 for images in (64, 128, 256, 310)}
    scores = {("icons", name): {"probes": curve} for name in BACKBONES}
    frame = pd.DataFrame(
        [
            {"task_id": "icons", "configuration": name, "train_images": 248, "architecture": name}
            for name in BACKBONES
        ]
    )
    finished = Finished(frame, scores, {one: {"parameters": 1} for one in BACKBONES}, [])
    assert finished._probed("icons") == 310
    found = finished._by_rung("probes", "icons")
    assert found[:, :4].tolist() == [[0.064, 0.128, 0.256, 0.31]] * 5


def test_list_by_size_and_placebo_are_no_metrics() -> None:
    """A list that is compared with itself; a placebo that is corrected for as a metric."""
    rows = rows_of()
    assert rows[HEAD, BY_SIZE]["p"] is None
    assert rows[HEAD, PLACEBO]["holm_p"] is None
    assert rows[HEAD, PLACEBO]["kind"] == "placebo"
    assert abs(rows[HEAD, BY_MEAN_RANK]["weighted_tau"]) < 0.4, "orders of others tell nothing here"


def test_unknown_scores_leave_backbones_out_of_both_sides() -> None:
    """A list that lacks a backbone and is compared with another list's order of all of them."""
    rows = rows_of()
    assert rows[HEAD, "imagenet_accuracy"]["backbones"] == 4
    assert rows[HEAD, "perfect"]["backbones"] == 5


def test_nothing_better_is_said_to_be_nothing() -> None:
    """A verdict that names the best of many by luck."""
    accuracy, right = run_of(24)
    entrants = entrants_of(accuracy)
    entrants = Entrants(
        entrants.tasks,
        entrants.families,
        BACKBONES,
        {"logme": entrants.scores["logme"]},
        {},
        entrants.lists,
        {},
    )
    rows = judge(entrants, targets_of(CANDIDATES, accuracy, None, right), seed=0)
    assert "no difference that this table can show" in verdict(rows)


def test_few_families_give_no_interval() -> None:
    """A bound from three families that looks like one from thirty."""
    row = rows_of(6)[HEAD, "perfect"]
    assert row["families"] == 3
    assert row["weighted_tau_low"] is None


def test_pairs_that_noise_explains_do_not_count() -> None:
    """A fidelity that is pulled down by pairs nobody can tell apart."""
    rng = np.random.default_rng(0)
    one = (rng.random(300) < 0.7).astype(float)
    alike = np.stack([one, np.roll(one, 7)])
    worse = (rng.random((1, 300)) < 0.3).astype(float)
    found = differing(np.concatenate([alike, worse]))
    assert found.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_parts_are_put_together_among_the_backbones_of_each_task() -> None:
    """ETran of one data set that is scaled by another's numbers."""
    rng = np.random.default_rng(0)
    parts = {name: rng.normal(size=(3, 2, 4)) for name in ("etran_energy", "etran_discriminant")}
    whole = combined(parts | {"gbc": np.zeros((3, 2, 4))})
    assert set(whole) == {"etran", "gbc"}
    alone = combined({name: one[1:2, :1] for name, one in parts.items()})
    np.testing.assert_allclose(whole["etran"][1, 0], alone["etran"][0, 0])


def test_scores_of_one_backbone() -> None:
    """A metric that is left out in silence, or invented where its classifier is not known."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = rng.normal(size=(60, 8)).astype(np.float32) + 2 * np.eye(8, dtype=np.float32)[labels]
    classifier = {
        "weight": rng.normal(size=(7, 8)).astype(np.float32),
        "bias": np.zeros(7, np.float32),
    }
    found = score(features, labels, classifier, task_id="T", seed=0)
    again = score(features, labels, classifier, task_id="T", seed=0)
    assert found["scores"] == again["scores"]
    assert set(found["scores"]) == set(METRICS)
    assert all(value is not None for value in found["scores"].values())
    assert len(found["halves"]) == 3
    assert found["probes"].keys() == found["probe_cpu_seconds"].keys() == {"60"}
    without = score(features, labels, {}, task_id="T", seed=0)
    assert {name for name, one in without["scores"].items() if one is None} == set(NEEDS_SOURCE)


def test_source_probabilities_are_those_of_the_classifier() -> None:
    """Logits in place of probabilities, or an overflow of large ones."""
    features = np.array([[1.0, 2.0], [1000.0, 0.0]])
    found = source_probabilities(
        features, {"weight": np.array([[1.0, 0.0], [0.0, 1.0]]), "bias": np.array([0.5, 0.0])}
    )
    assert found is not None
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[0, 0] == pytest.approx(1 / (1 + np.exp(0.5)))
    assert found[1, 0] == 1
