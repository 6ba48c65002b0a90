"""Advice for new pictures within a number of seconds: steps are taken, what they show is kept, and told."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaprobe.core.errors import PassingError, UserError
from metaprobe.recommend.advice.bench import Bench, Elsewhere, Trained
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.guesses import prices_of
from metaprobe.recommend.advice.lessons import Lessons
from metaprobe.recommend.advice.policy import Policy, State, Step
from metaprobe.recommend.advice.prices import Prices
from metaprobe.recommend.advice.probes import rungs_of
from metaprobe.recommend.advice.progress import Failed, OutOfTime, Progress
from metaprobe.recommend.advice.told import choice

Say = Callable[[str], None]
Told = dict[str, Any]
# What a probe has not, and a training has.
PROBE: Told = {"configuration": None, "training_seconds": 0.0, "validation_images": None}


@dataclass
class Advisor:
    """The search for one data set.

    Attributes:
        train_seconds: configuration -> seconds beside plain features, where the table tells them.
        write: keeps the answer, after each step.
    """

    lessons: Lessons
    workbench: Bench
    train_seconds: Mapping[str, float]
    elsewhere: Elsewhere
    progress: Progress
    say: Say
    write: Callable[[Told], None]

    @property
    def candidates(self) -> Candidates:
        """What can be advised."""
        return self.lessons.candidates

    @property
    def policy(self) -> Policy:
        """How steps are chosen."""
        bench, candidates = self.workbench, self.candidates
        return Policy(
            self.lessons,
            rungs_of(bench.train_images),
            bench.validation_images,
            frozenset(map(candidates.backbones.index, self.progress.left_out)),
            frozenset(map(candidates.configurations.index, self.progress.untrainable)),
        )

    def state(self) -> State:
        """Return what was seen so far."""
        names, ids = self.candidates.backbones, self.candidates.configurations
        state = State()
        for one in self.progress.steps:
            backbone = names.index(one["backbone"])
            there = self.workbench.there(one["backbone"])
            if one["configuration"] is None:
                step = Step(backbone, rung=one["rung"])
                state = state.with_probe(step, there, one["accuracy"])
            else:
                step = Step(backbone, configuration=ids.index(one["configuration"]))
                images = one["validation_images"]
                state = state.with_training(step, there, one["accuracy"], images)
        return state

    def prices(self) -> Prices:
        """Return what steps cost."""
        return prices_of(self.workbench, self.candidates, self.progress.steps, self.train_seconds)

    def run(self, budget: float, began: float, most: int | None = None) -> None:
        """Take steps until the budget is spent, or none is worth its seconds.

        Args:
            budget: seconds, those of earlier starts among them.
            began: when this start began (`time.monotonic`).
            most: steps at most, those of earlier starts among them.
        """
        before = self.progress.seconds
        deadline = began + budget - before
        try:
            while (most is None or len(self.progress.steps) < most) and (
                step := self._next(deadline - time.monotonic())
            ) is not None:
                start = time.monotonic()
                told = self._tried(step, deadline)
                seconds = time.monotonic() - start
                steps = [] if told is None else [told | {"seconds": seconds}]
                self._keep(steps, before + time.monotonic() - began, budget)
        except OutOfTime:
            self.say("the time is up")
        finally:
            self._keep([], before + time.monotonic() - began, budget)

    def _keep(self, steps: list[Told], seconds: float, budget: float) -> None:
        """Write what was seen and what would be advised now, so that it outlasts whatever comes."""
        self.progress.add(*steps, seconds=seconds)
        self.write(self.answer(budget))
        for told in steps:
            self.say(self.line(told, seconds, budget))

    def _next(self, remaining: float) -> Step | None:
        if remaining <= 0:
            raise OutOfTime
        state, prices = self.state(), self.prices()
        if not (state.probes or state.trained):
            return self._first(prices, remaining)
        step = self.policy.next_step(state, prices, remaining)
        if step is None:
            self.say(f"no step is worth its seconds and can be done in the {remaining:.0f} s left")
        return step

    def _first(self, prices: Prices, remaining: float) -> Step | None:
        """Return the first step of all: a probe of the backbone that is cheapest to try."""
        policy = self.policy
        usable = np.unique(self.candidates.backbone_of[policy.options])
        price = prices.start[usable] + prices.image[usable] * policy.rungs[0]
        if price.min() > remaining:
            self.say(f"no backbone can be tried in {remaining:.0f} s: give it a larger --budget")
            return None
        return Step(int(usable[np.argmin(price)]), rung=0)

    def _tried(self, step: Step, deadline: float) -> Told | None:
        """Return what a step has shown; None if its backbone, or configuration, is left out from now on."""
        name = self.candidates.backbones[step.backbone]
        try:
            return self._take(step, name, deadline)
        except UserError as error:
            if step.configuration is not None and isinstance(error, Failed | PassingError):
                name = self.candidates.configurations[step.configuration]
                self.progress.give_up(name, error)
                self.say(f"{name} is left out: {error}")
                self.see_that_something_is_left(error)
            elif str(error).startswith(f"backbones/{name}: "):
                self.leave_out(name, error)
            else:
                raise
            return None

    def leave_out(self, backbone: str, error: UserError) -> None:
        """Leave out a backbone that cannot be had; a UserError says if it was the last."""
        self.progress.left_out[backbone] = str(error)
        self.say(f"{backbone} is left out: {error}")
        self.see_that_something_is_left(error)

    def see_that_something_is_left(self, last: object) -> None:
        """Raise a UserError if all backbones, or all configurations, are left out."""
        if len(self.policy.options):
            return
        every = len(self.progress.left_out) == len(self.candidates.backbones)
        what = "backbone can be had" if every else "configuration can be trained"
        raise UserError(f"no {what}; the last: {last}")

    def _take(self, step: Step, name: str, deadline: float) -> Told:
        if step.rung is not None:
            images = self.policy.rungs[step.rung]
            accuracy = self.workbench.probe(name, images, deadline)
            return PROBE | {
                "backbone": name,
                "rung": step.rung,
                "images": images,
                "accuracy": accuracy,
            }
        assert step.configuration is not None
        configuration = self.candidates.configurations[step.configuration]
        found = self._trained(step.configuration, name, configuration, deadline)
        return {"backbone": name, "rung": None, "configuration": configuration, **found._asdict()}

    def _trained(self, number: int, name: str, configuration: str, deadline: float) -> Trained:
        bench = self.workbench
        if not self.candidates.only_head[number]:
            self.say(f"{configuration} is trained by the workflow ...")
            return self.elsewhere(configuration, deadline)
        recipe = dict(self.candidates.hyperparameters[configuration])
        accuracy, seconds = bench.train(name, recipe, deadline)
        return Trained(accuracy, seconds, bench.validation_images, bench.train_images)

    def best(self) -> str:
        """Return what would be advised now."""
        return self.candidates.configurations[self.policy.best(self.state())]

    def line(self, told: Told, spent: float, budget: float) -> str:
        """Return what a step was, and what would be advised now."""
        if told["configuration"] is None:
            what = f"{told['backbone']}: {told['images']} pictures, leave-one-out"
        else:
            what = f"{told['configuration']}: trained on {told['images']} pictures, validation"
        return f"{spent:5.0f} of {budget:.0f} s  {what} {told['accuracy']:.3f}; best so far: {self.best()}"

    def answer(self, budget: float) -> Told:
        """Return the advice: the content of `advice/<task_id>.json`."""
        return {
            "task_id": self.workbench.task_id,
            **choice(self.policy, self.state()),
            "train_images": self.workbench.train_images,
            "budget_seconds": budget,
            "seconds": self.progress.seconds,
            "steps": self.progress.steps,
            "left_out": self.progress.left_out,
            "failed": self.progress.untrainable,
            "weights": self.workbench.weights,
        }
