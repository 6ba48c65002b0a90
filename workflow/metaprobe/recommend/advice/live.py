"""Advice for new pictures within a number of seconds: steps, prices and what was seen, kept in a file."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from metaprobe.core.errors import UserError
from metaprobe.core.files import read_checked_json, write_checked_json
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import Lessons
from metaprobe.recommend.advice.policy import Policy, State, Step
from metaprobe.recommend.advice.prices import Prices
from metaprobe.recommend.advice.probes import rungs_of
from metaprobe.recommend.advice.workbench import OutOfTime, Workbench

# Until a backbone was tried here: seconds per picture and GFLOP on one core, and to load one.
SECONDS_PER_GFLOP = 0.015
SECONDS_TO_START = 2.0
SECONDS_TO_TRAIN = 1.0  # a head, until one was trained
Say = Callable[[str], None]


class Elsewhere(Protocol):
    """What trains a configuration that needs more than plain features."""

    def __call__(self, configuration: str, deadline: float) -> tuple[float, float]:
        """Return accuracy on the validation images, and seconds; OutOfTime if there are too few."""


@dataclass
class Progress:
    """What was seen and spent, in a file.

    Attributes:
        steps: each with what was done, what was seen, and its seconds.
        seconds: spent in all, from the moment the command was given.
        left_out: backbone -> why it cannot be had.
    """

    path: Path
    steps: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    left_out: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        """Take over what an earlier start has written."""
        if self.path.is_file():
            told = read_checked_json(self.path)
            self.steps, self.seconds = told["steps"], told["seconds"]

    def add(self, *steps: dict[str, Any], seconds: float) -> None:
        """Write what was done, and the seconds spent in all."""
        self.steps += steps
        self.seconds = seconds
        write_checked_json(self.path, {"steps": self.steps, "seconds": seconds})


@dataclass
class Advisor:
    """The search for one data set.

    Attributes:
        gflop: backbone -> of one picture.
        train_seconds: configuration -> seconds beside plain features, where the table tells them.
    """

    lessons: Lessons
    workbench: Workbench
    gflop: Mapping[str, float]
    train_seconds: Mapping[str, float]
    elsewhere: Elsewhere
    progress: Progress
    say: Say

    @property
    def candidates(self) -> Candidates:
        """What can be advised."""
        return self.lessons.candidates

    @property
    def policy(self) -> Policy:
        """How steps are chosen."""
        bench = self.workbench
        validation = len(bench.validation["indices"])
        names = self.candidates.backbones
        left_out = frozenset(map(names.index, self.progress.left_out))
        return Policy(self.lessons, rungs_of(bench.train_images), validation, left_out)

    def state(self) -> State:
        """Return what was seen so far."""
        names, ids = self.candidates.backbones, self.candidates.configurations
        state = State()
        for one in self.progress.steps:
            if one["configuration"] is not None and one["configuration"] in ids:
                number = ids.index(one["configuration"])
                backbone = int(self.candidates.backbone_of[number])
                step = Step(backbone, configuration=number)
                state = state.with_training(step, self._there(backbone), one["accuracy"])
            elif one["backbone"] in names and one["rung"] is not None:
                backbone = names.index(one["backbone"])
                step = Step(backbone, rung=one["rung"])
                state = state.with_probe(step, self._there(backbone), one["accuracy"])
        return state

    def _there(self, backbone: int) -> int:
        return self.workbench.there(self.candidates.backbones[backbone])

    def prices(self) -> Prices:
        """Return what steps cost, by what was measured here, else by GFLOP."""
        names = self.candidates.backbones
        measured = self.workbench.seconds_per_image
        rates = [measured[name] / self.gflop[name] for name in names if name in measured]
        rate = float(np.median(rates)) if rates else SECONDS_PER_GFLOP
        image = np.array([measured.get(name, rate * self.gflop[name]) for name in names])
        starts = self.workbench.seconds_to_start
        usual = float(np.median(list(starts.values()))) if starts else SECONDS_TO_START
        start = np.array([starts.get(name, usual) for name in names])
        spent = {
            one["configuration"]: one["training_seconds"]
            for one in self.progress.steps
            if one["configuration"] is not None
        }
        usual_training = float(np.median(list(spent.values()))) if spent else SECONDS_TO_TRAIN
        own = np.array(
            [
                spent.get(name, self.train_seconds.get(name, usual_training))
                for name in self.candidates.configurations
            ]
        )
        for number in np.flatnonzero(~self.candidates.only_head):
            backbone = int(self.candidates.backbone_of[number])
            name = self.candidates.configurations[number]
            if name not in spent and name not in self.train_seconds:
                # Passes of all images for each epoch, forward and back; rather too much than too little.
                epochs = self.candidates.hyperparameters[name].get("epochs", 3)
                own[number] = 3 * epochs * image[backbone] * self.workbench.images
        return Prices(start, image, own, self.workbench.images)

    def run(self, budget: float, began: float) -> None:
        """Take steps until the budget is spent, or none is worth its seconds.

        Args:
            budget: seconds, those of earlier starts among them.
            began: when this start began (`time.monotonic`).
        """
        before = self.progress.seconds
        deadline = began + budget - before

        def spent() -> float:
            return before + time.monotonic() - began

        try:
            while (step := self._next(deadline - time.monotonic())) is not None:
                start = time.monotonic()
                if (told := self._tried(step, deadline)) is None:
                    continue
                told["seconds"] = time.monotonic() - start
                self.progress.add(told, seconds=spent())
                self.say(self.line(told, spent(), budget))
        except OutOfTime:
            self.say("the time is up")
        finally:
            self.progress.add(seconds=spent())

    def _next(self, remaining: float) -> Step | None:
        if remaining <= 0:
            return None
        state = self.state()
        return self._first(state) or self.policy.next_step(state, self.prices(), remaining)

    def _tried(self, step: Step, deadline: float) -> dict[str, Any] | None:
        """Return what a step has shown; None if its backbone cannot be had, and is left out from now on."""
        try:
            return self._take(step, deadline)
        except UserError as error:
            name = self.candidates.backbones[step.backbone]
            if not str(error).startswith(f"backbones/{name}: "):
                raise
            self.progress.left_out[name] = str(error)
            self.say(f"{name} is left out: {error}")
            if len(self.progress.left_out) == len(self.candidates.backbones):
                raise UserError(f"no backbone can be had; the last: {error}") from None
            return None

    def _first(self, state: State) -> Step | None:
        """Return the first step of all: a probe of the backbone that is cheapest to try."""
        if state.probes or state.trained:
            return None
        prices, policy = self.prices(), self.policy
        price = prices.start + prices.image * policy.rungs[0]
        price[list(policy.left_out)] = np.inf
        return Step(int(np.argmin(price)), rung=0)

    def _take(self, step: Step, deadline: float) -> dict[str, Any]:
        name = self.candidates.backbones[step.backbone]
        told: dict[str, Any] = {"backbone": name, "rung": step.rung, "configuration": None}
        if step.configuration is None:
            assert step.rung is not None
            images = self.policy.rungs[step.rung]
            accuracy = self.workbench.probe(name, images, deadline)
            return told | {"images": images, "accuracy": accuracy, "training_seconds": 0.0}
        configuration = self.candidates.configurations[step.configuration]
        hyperparameters = dict(self.candidates.hyperparameters[configuration])
        if self.candidates.only_head[step.configuration]:
            accuracy, seconds = self.workbench.train(name, hyperparameters, deadline)
        else:
            accuracy, seconds = self.elsewhere(configuration, deadline)
        return told | {
            "rung": None,
            "configuration": configuration,
            "images": self.workbench.train_images,
            "accuracy": accuracy,
            "training_seconds": seconds,
        }

    def line(self, told: Mapping[str, Any], spent: float, budget: float) -> str:
        """Return what a step was, and what would be advised now."""
        if told["configuration"] is None:
            what = f"{told['backbone']}: {told['images']} pictures, leave-one-out"
        else:
            what = f"{told['configuration']}: trained on {told['images']} pictures, validation"
        best = self.candidates.configurations[self.policy.best(self.state())]
        return f"{spent:5.0f} of {budget:.0f} s  {what} {told['accuracy']:.3f}; best so far: {best}"

    def answer(self, budget: float) -> dict[str, Any]:
        """Return the advice: the content of `advice/<task_id>.json`."""
        state = self.state()
        policy = self.policy
        belief = policy.belief(state)
        ids = self.candidates.configurations
        gone = np.isin(self.candidates.backbone_of, list(policy.left_out))
        # What cannot be had comes last.
        ranked = np.lexsort((-belief.mean[: len(ids)], gone))
        best = int(ranked[0])

        def told(number: int) -> dict[str, Any]:
            return {
                "configuration": ids[number],
                "expected_accuracy": float(belief.mean[number]),
                "deviation": belief.deviation(self.lessons.own_weights(number)),
                "validation_accuracy": state.trained.get(number),
            }

        return {
            "task_id": self.workbench.task_id,
            "configuration": ids[best],
            "architecture": self.candidates.backbones[int(self.candidates.backbone_of[best])],
            "hyperparameters": dict(self.candidates.hyperparameters[ids[best]]),
            "trained": best in state.trained,
            **{key: value for key, value in told(best).items() if key != "configuration"},
            "validation_images": policy.validation_images,
            "train_images": self.workbench.train_images,
            "budget_seconds": budget,
            "seconds": self.progress.seconds,
            "ranked": [told(int(number)) for number in ranked],
            "steps": self.progress.steps,
            "left_out": self.progress.left_out,
            "families_learned_from": self.lessons.families,
            "weights": self.workbench.settings.weights,
        }
