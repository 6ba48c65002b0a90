"""Advice: beliefs, what a table teaches, steps, and the replay that judges them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaprobe.config.settings import Settings
from metaprobe.core.durations import seconds_of
from metaprobe.recommend.advice.belief import Belief, knowledge_gradient
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import Table, learn, no_table
from metaprobe.recommend.advice.policy import Policy, State, Step
from metaprobe.recommend.advice.prices import Prices
from metaprobe.recommend.advice.probes import RUNGS, probe_curve, rungs_of
from metaprobe.recommend.advice.table import families_of, rungs_on
from metaprobe.recommend.arena.replay import (
    ALONE,
    EVERYTHING,
    RANDOM,
    STATIC,
    WITH_TABLE,
    Known,
    Reached,
    replay,
)
from pydantic import ValidationError

BACKBONES, RECIPES = 6, 3
CANDIDATES = Candidates(
    {
        f"b{backbone}-r{recipe}": {
            "architecture": f"b{backbone}",
            "learning_rate": 0.1 * (recipe + 1),
        }
        for backbone in range(BACKBONES)
        for recipe in range(RECIPES)
    },
    {f"b{backbone}": 10.0 ** (6 + backbone / 5) for backbone in range(BACKBONES)},
)


def planted(count: int, families: int, seed: int = 0, own: float = 0.01) -> list[Known]:
    """Tasks on which the third backbone is the best, but for `own` of each family."""
    rng = np.random.default_rng(seed)
    merit = np.array([0.0, 0.02, 0.1, 0.03, 0.01, 0.04])
    of_families = rng.normal(0, own, (families, BACKBONES))
    tasks = []
    for number in range(count):
        family = number % families
        by_backbone = rng.uniform(0.4, 0.85) + merit + of_families[family]
        recipes = np.array([0.0, 0.01, 0.02])
        accuracy = (by_backbone[:, None] + recipes).ravel()
        shortfall = rng.normal(0.15, 0.05) * 0.5 ** np.arange(len(RUNGS))
        noise = rng.normal(0, 0.2, (BACKBONES, len(RUNGS))) / np.sqrt(RUNGS)
        probes = accuracy.reshape(BACKBONES, RECIPES).mean(1)[:, None] - shortfall + noise
        count_of_images = 2000
        prices = Prices(
            np.full(BACKBONES, 0.5), np.geomspace(0.01, 0.03, BACKBONES), np.full(18, 0.2), 2300
        )
        tasks.append(
            Known(
                f"t{number}",
                f"f{family}",
                accuracy + rng.normal(0, 0.005, 18),
                accuracy,
                probes,
                prices,
                count_of_images,
                300,
            )
        )
    return tasks


def test_belief_is_that_of_linear_regression() -> None:
    """A sign, or a variance that is a deviation: compared with the textbook's formula."""
    belief = Belief(np.array([1.0, 2.0]), np.array([[2.0, 1.0], [1.0, 3.0]]))
    weights = np.array([1.0, -1.0])
    seen = belief.observe(weights, 0.5, 0.7)
    precision = np.linalg.inv(belief.covariance) + np.outer(weights, weights) / 0.7
    covariance = np.linalg.inv(precision)
    mean = covariance @ (np.linalg.inv(belief.covariance) @ belief.mean + weights * 0.5 / 0.7)
    np.testing.assert_allclose(seen.covariance, covariance)
    np.testing.assert_allclose(seen.mean, mean)


def test_order_of_observations_does_not_matter() -> None:
    """A belief that forgets what it saw first."""
    belief = learn(CANDIDATES, no_table(CANDIDATES)).belief
    first, second = np.eye(len(belief.mean))[[0, 7]]
    one = belief.observe(first, 0.9, 0.01).observe(second, 0.3, 0.02)
    other = belief.observe(second, 0.3, 0.02).observe(first, 0.9, 0.01)
    np.testing.assert_allclose(one.mean, other.mean)
    np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-12)


def test_knowledge_gradient_is_the_expected_improvement() -> None:
    """A gain of an observation that is not what it gives on average: compared with simulation."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    belief = Belief(rng.normal(size=4), root @ root.T)
    sums, variances = np.eye(4)[:2], np.array([0.5, 2.0])
    gains = knowledge_gradient(belief, sums, variances, np.arange(4))
    for number in range(2):
        values = rng.normal(
            sums[number] @ belief.mean,
            np.sqrt(sums[number] @ belief.covariance @ sums[number] + variances[number]),
            4000,
        )
        best = [belief.observe(sums[number], v, variances[number]).mean.max() for v in values]
        assert gains[number] == pytest.approx(np.mean(best) - belief.mean.max(), abs=0.05)


@given(st.integers(0, 10_000))
def test_knowledge_is_never_worth_less_than_nothing(seed: int) -> None:
    """A negative gain, by which the search would flee from what it could learn; or a NaN."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(5, 2))  # singular: two of the unknowns follow from others
    belief = Belief(rng.normal(size=5), root @ root.T)
    gains = knowledge_gradient(belief, np.eye(5), np.zeros(5), np.arange(5))
    assert (gains >= 0).all()


def test_table_teaches_which_backbone_is_best() -> None:
    """A table that is read in another order than the candidates; or that teaches nothing."""
    tasks = planted(20, 10)
    table = Table(
        [one.family for one in tasks],
        np.stack([one.accuracy for one in tasks]),
        np.stack([one.probes for one in tasks]),
    )
    lessons = learn(CANDIDATES, table)
    assert lessons.families == 10
    best = CANDIDATES.configurations[int(np.argmax(lessons.belief.mean[:18]))]
    assert best == "b2-r2"
    alone = learn(CANDIDATES, no_table(CANDIDATES))
    largest = CANDIDATES.configurations[int(np.argmax(alone.belief.mean[:18]))]
    assert largest.startswith("b5"), "without a table the list by size"


def test_relatives_count_as_one() -> None:
    """A table of one family's fifty copies that is believed like fifty families."""
    tasks = planted(50, 1)
    table = Table(
        ["same"] * 50,
        np.stack([one.accuracy for one in tasks]),
        np.stack([one.probes for one in tasks]),
    )
    assert learn(CANDIDATES, table).families == 1


def test_configuration_that_the_table_lacks_is_learned_from_its_like() -> None:
    """A new recipe of a good backbone that is expected to be average, or that ends in an error."""
    tasks = planted(20, 10)
    accuracy = np.stack([one.accuracy for one in tasks])
    accuracy[:, CANDIDATES.configurations.index("b2-r2")] = np.nan
    table = Table([one.family for one in tasks], accuracy, np.stack([one.probes for one in tasks]))
    mean = learn(CANDIDATES, table).belief.mean
    of = {name: mean[number] for number, name in enumerate(CANDIDATES.configurations)}
    assert of["b2-r2"] > max(of["b0-r2"], of["b1-r2"], of["b3-r2"])
    covariance = learn(CANDIDATES, table).belief.covariance
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_features_are_paid_for_once() -> None:
    """A second recipe of a backbone that is priced as if its pictures passed it again."""
    prices = planted(1, 1)[0].prices
    first = prices.of_training(CANDIDATES, 0, 0)
    second = prices.of_training(CANDIDATES, 1, prices.images)
    assert second == pytest.approx(0.2)
    assert first == pytest.approx(0.5 + 2300 * 0.01 + 0.2)
    everything = sum(0.5 + 2300 * rate for rate in prices.image) + 18 * 0.2
    assert prices.of_everything(CANDIDATES) == pytest.approx(everything)


def policy() -> Policy:
    return Policy(learn(CANDIDATES, no_table(CANDIDATES)), rungs_of(2000), 300)


def test_no_step_is_dearer_than_what_is_left() -> None:
    """A budget that is overrun by a last, long step."""
    task = planted(1, 1)[0]
    for remaining in (0.3, 1.0, 5.0, 30.0):
        step = policy().next_step(State(), task.prices, remaining)
        assert step is None or policy().price(step, State(), task.prices) <= remaining


def test_backbone_that_cannot_be_had_is_never_tried() -> None:
    """A backbone whose weights cannot be fetched and that the search asks for again and again."""
    task = planted(1, 1)[0]
    without = replace(policy(), left_out=frozenset([5]))
    state, spent = State(), 0.0
    while (step := without.next_step(state, task.prices, 200 - spent)) is not None:
        assert step.backbone != 5
        state, spent = taken(without, step, state, task, spent)
    assert not CANDIDATES.configurations[without.best(state)].startswith("b5")


def taken(
    policy: Policy, step: Step, state: State, task: Known, spent: float
) -> tuple[State, float]:
    spent += policy.price(step, state, task.prices)
    if step.configuration is not None:
        seen = float(task.chosen_by[step.configuration])
        return state.with_training(step, task.prices.images, seen), spent
    assert step.rung is not None
    seen = float(task.probes[step.backbone, step.rung])
    return state.with_probe(step, policy.rungs[step.rung], seen), spent


def test_good_probe_moves_the_choice() -> None:
    """Probes that are seen and change nothing, or whose sign is turned."""
    state = State()
    for backbone in range(BACKBONES):
        for rung in range(len(RUNGS)):
            accuracy = 0.8 if backbone == 1 else 0.6
            state = state.with_probe(Step(backbone, rung=rung), RUNGS[rung], accuracy)
    assert CANDIDATES.configurations[policy().best(state)].startswith("b1")


def test_advice_is_cheaper_than_trying_everything_and_better_than_chance() -> None:
    """A search that is no better than random, and a table that does not help."""
    tasks = planted(16, 8)
    found: dict[tuple[str, float], list[float]] = {}
    cost: dict[tuple[str, float], list[float]] = {}
    for task_id, method, budget, reached in replay(CANDIDATES, tasks, 0):
        task = next(one for one in tasks if one.task_id == task_id)
        found.setdefault((method, budget), []).append(task.accuracy.max() - reached.accuracy)
        share = reached.with_model / task.prices.of_everything(CANDIDATES)
        cost.setdefault((method, budget), []).append(share)
        if method in (WITH_TABLE, ALONE):
            assert reached.seconds <= budget * task.prices.of_everything(CANDIDATES) * (1 + 1e-6)
    advice, chance = np.mean(found[WITH_TABLE, 0.1]), np.mean(found[RANDOM, 0.1])
    assert advice < 0.01
    assert chance > 3 * advice
    assert np.mean(cost[WITH_TABLE, 0.05]) < 0.3
    assert np.mean(found[WITH_TABLE, 0.02]) < np.mean(found[ALONE, 0.02])
    assert np.mean(cost[EVERYTHING, 1.0]) == pytest.approx(1)


def test_others_have_at_least_what_advice_used_with_its_model() -> None:
    """An advice that looks cheap, as the training of what it names is not in its budget."""
    costs: dict[tuple[str, float], dict[str, Reached]] = {}
    tasks = {one.task_id: one for one in planted(8, 8)}
    for task_id, method, budget, reached in replay(CANDIDATES, list(tasks.values()), 0):
        costs.setdefault((task_id, budget), {})[method] = reached
    dearest = max(one.prices.of_training(CANDIDATES, 17, 0) for one in tasks.values())
    for (task_id, budget), own in costs.items():
        whole = tasks[task_id].prices.of_everything(CANDIDATES)
        most = max(own[WITH_TABLE].with_model, own[ALONE].with_model)
        assert own[STATIC].seconds <= max(most, budget * whole) * (1 + 1e-6)
        assert own[STATIC].seconds >= min(most, whole) - dearest, "what is left buys no more"


def test_probes_are_paid_for() -> None:
    """Networks that are loaded for nothing, and least squares of 1,024 images that take no time."""
    task = planted(1, 1)[0]
    dear = replace(task.prices, probe=np.full((BACKBONES, len(RUNGS)), 2.0))
    step = Step(1, rung=0)
    own = Policy(learn(CANDIDATES, no_table(CANDIDATES)), rungs_of(2000), 300)
    assert own.price(step, State(), dear) == own.price(step, State(), task.prices) + 2.0


def test_a_hole_in_the_table_moves_little() -> None:
    """A cell that was not run makes the best configuration of all other tasks look like the worst."""
    tasks = [f"f{number}" for number in range(10)]
    accuracy = np.full((10, 18), 0.5) + 0.01 * np.arange(10)[:, None]
    accuracy[:, 4] = 0.9
    probes = np.full((10, BACKBONES, len(RUNGS)), np.nan)
    whole = learn(CANDIDATES, Table(tasks, accuracy, probes)).belief.mean[:18]
    holes = accuracy.copy()
    holes[3, 4] = np.nan
    holes[7] = np.nan
    found = learn(CANDIDATES, Table(tasks, holes, probes))
    assert found.families == 9
    np.testing.assert_allclose(found.belief.mean[:18], whole, atol=0.03)


def test_rare_configuration_is_inferred() -> None:
    """One task's luck that is believed like ten tasks' means."""
    rng = np.random.default_rng(0)
    accuracy = rng.normal(0.6, 0.02, (10, 18))
    accuracy[1:, 5] = np.nan
    accuracy[0, 5] = 1.0
    probes = np.full((10, BACKBONES, len(RUNGS)), np.nan)
    table = Table([f"f{number}" for number in range(10)], accuracy, probes)
    assert learn(CANDIDATES, table).belief.mean[5] < 0.75


def test_own_family_is_held_out() -> None:
    """Copies of a task in the table from which its own advice is learned."""
    tasks = planted(12, 6, own=0.0)
    odd = [replace(one, accuracy=one.accuracy[::-1].copy()) for one in tasks if one.family == "f0"]
    others = [one for one in tasks if one.family != "f0"]
    names = {
        task_id: reached.accuracy
        for task_id, method, budget, reached in replay(CANDIDATES, [*odd, *others], 0)
        if (method, budget) == (WITH_TABLE, 0.02)
    }
    # Nothing can be seen for that budget, so the others' favourite is named, wrongly.
    favourite = CANDIDATES.configurations.index("b2-r2")
    assert names[odd[0].task_id] == pytest.approx(odd[0].accuracy[favourite], abs=0.021)


def test_probes_of_a_small_data_set_end_with_all_of_it() -> None:
    """A data set of 100 images that is probed with 128, or never with all of them."""
    assert rungs_of(100) == [64, 100]
    assert rungs_of(50) == [50]
    assert rungs_of(5000) == list(RUNGS)
    rng = np.random.default_rng(0)
    curve, seconds = probe_curve(rng.normal(size=(100, 4)), np.arange(100) % 2, np.arange(100))
    assert np.isnan(rungs_on(curve, 100)).tolist() == [False, False, True, True, True]
    assert seconds.keys() == curve.keys()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10min", 600), ("1.5h", 5400), ("600", 600), ("2 m", 120)]
)
def test_budget_is_read(text: str, seconds: float) -> None:
    """Ten minutes that are read as ten seconds."""
    assert seconds_of(text) == seconds
    assert Settings(budget=text).budget == text


@pytest.mark.parametrize(
    "text", ["", "soon", "-3min", "5", "1e9s", "inf", "10 parsecs", "nan", ".s"]
)
def test_budget_that_is_none_is_refused(text: str) -> None:
    """A budget that is no time, or too short for a single step, and a traceback for it."""
    with pytest.raises(ValidationError, match="at least 10 seconds"):
        Settings(budget=text)


def test_task_without_a_family_is_its_own() -> None:
    """Tasks without a family that count together as one, as a table's empty cells are all alike."""
    table = pd.DataFrame(
        {"task_id": ["A", "A", "B", "C"], "family": [None, None, "digits", float("nan")]}
    )
    assert families_of(table) == ["A", "digits", "C"]
