"""Finished tasks replayed as if they were new: what each way to choose reaches for how many seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.randomness import generator
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import Lessons, Table, learn, no_table
from metaprobe.recommend.advice.policy import Policy, State, Step, follow
from metaprobe.recommend.advice.prices import Prices
from metaprobe.recommend.advice.probes import rungs_of

Floats = NDArray[np.float64]

# Shares of the seconds that everything takes.
BUDGETS = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
ORDERS = 100  # of the random search
WITH_TABLE, ALONE = "advice", "advice_without_table"
RANDOM, CHEAPEST, STATIC, EVERYTHING = (
    "random_search",
    "cheapest_first",
    "static_list",
    "everything",
)
METHODS = (WITH_TABLE, ALONE, RANDOM, CHEAPEST, STATIC, EVERYTHING)


@dataclass(frozen=True)
class Known:
    """Of one finished task all that an advice could have seen, and what it is judged by.

    Attributes:
        chosen_by: (C,) accuracies that choices are made on: of validation images, or of test images
            where not all configurations have any.
        accuracy: (C,) of the test images.
        probes: (B, K) leave-one-out accuracies on the rungs, NaN beyond the data set's images.
        train_images: of the subset.
        validation_images: that choices are made on.
    """

    task_id: str
    family: str
    chosen_by: Floats
    accuracy: Floats
    probes: Floats
    prices: Prices
    train_images: int
    validation_images: int


@dataclass(frozen=True)
class Reached:
    """What a method had for a budget.

    Attributes:
        accuracy: of the configuration it names, on the test images.
        seconds: spent on choosing.
        with_model: the same and what is still to be paid to train that configuration.
    """

    accuracy: float
    seconds: float
    with_model: float


def as_table(tasks: Sequence[Known]) -> Table:
    """Return what later tasks learn from these."""
    return Table(
        [one.family for one in tasks],
        np.stack([one.accuracy for one in tasks]),
        np.stack([one.probes for one in tasks]),
    )


def replay(
    candidates: Candidates, tasks: Sequence[Known], seed: int
) -> Iterator[tuple[str, str, float, Reached]]:
    """Yield task, method, share of everything's seconds, and what was reached.

    A task's whole family is held out of the table that its advice learns from. What only trains, in any
    order, is granted what both advices used with the training of what they name, if that is more than
    the budget: it never has less.
    """
    table = as_table(tasks)
    alone = learn(candidates, no_table(candidates))
    taught = {one.family: learn(candidates, table.without(one.family)) for one in tasks}
    for task in tasks:
        whole = task.prices.of_everything(candidates)
        count = len(candidates.configurations)
        in_order = {
            CHEAPEST: [_cheapest(candidates, task)],
            STATIC: [_largest(candidates)],
            RANDOM: [
                generator(seed, task.task_id, f"random search {number}").permutation(count).tolist()
                for number in range(ORDERS)
            ],
        }
        for share in BUDGETS:
            budget = share * whole
            with_table = advised(taught[task.family], task, budget)
            without = advised(alone, task, budget)
            yield task.task_id, WITH_TABLE, share, with_table
            yield task.task_id, ALONE, share, without
            granted = max(budget, with_table.with_model, without.with_model)
            for method, orders in in_order.items():
                found = [_in_order(candidates, task, granted, order) for order in orders]
                yield task.task_id, method, share, _mean(found)
        yield task.task_id, EVERYTHING, 1.0, _in_order(candidates, task, whole, range(count))


def advised(lessons: Lessons, task: Known, budget: float) -> Reached:
    """Return what the advice reaches for a task; its probes and trainings are read off the table."""
    policy = Policy(lessons, rungs_of(task.train_images), task.validation_images)

    def observe(step: Step, state: State) -> tuple[State, float]:
        seconds = policy.price(step, state, task.prices)
        there = state.images.get(step.backbone, 0)
        if step.configuration is None:
            assert step.rung is not None
            images = max(there, policy.rungs[step.rung])
            seen = float(task.probes[step.backbone, step.rung])
            assert np.isfinite(seen), "a belief that has seen what is not there is none"
            return state.with_probe(step, images, seen), seconds
        only_head = lessons.candidates.only_head[step.configuration]
        images = task.prices.images if only_head else there
        seen = float(task.chosen_by[step.configuration])
        return state.with_training(step, images, seen), seconds

    state, spent = follow(policy, task.prices, budget, observe)
    best = policy.best(state)
    backbone = int(lessons.candidates.backbone_of[best])
    there = state.images.get(backbone, 0)
    trained = best in state.trained
    left = 0.0 if trained else task.prices.of_training(lessons.candidates, best, there)
    return Reached(float(task.accuracy[best]), spent, spent + left)


def _in_order(candidates: Candidates, task: Known, budget: float, order: Sequence[int]) -> Reached:
    """Train configurations in an order, skipping what is too dear.

    The best of them on validation images is named; the first of the order if there is none.
    """
    there: dict[int, int] = {}
    done: list[int] = []
    spent = 0.0
    for number in order:
        backbone = int(candidates.backbone_of[number])
        price = task.prices.of_training(candidates, number, there.get(backbone, 0))
        if spent + price > budget * (1 + 1e-9):
            continue
        spent += price
        done.append(number)
        if candidates.only_head[number]:
            there[backbone] = task.prices.images
    if done:
        best = max(done, key=lambda one: float(task.chosen_by[one]))
        return Reached(float(task.accuracy[best]), spent, spent)
    first = order[0]
    return Reached(float(task.accuracy[first]), 0.0, task.prices.of_training(candidates, first, 0))


def _mean(found: Sequence[Reached]) -> Reached:
    means = np.mean([[one.accuracy, one.seconds, one.with_model] for one in found], axis=0)
    return Reached(*map(float, means))


def _cheapest(candidates: Candidates, task: Known) -> list[int]:
    numbers = range(len(candidates.configurations))
    return sorted(numbers, key=lambda one: task.prices.of_training(candidates, one, 0))


def _largest(candidates: Candidates) -> list[int]:
    """Return the configurations by their backbone's parameters, most first; then as they are declared."""
    return [int(one) for one in np.argsort(-candidates.size, kind="stable")]
