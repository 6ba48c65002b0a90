"""What to do next for an advice: the step that is expected to teach most per second."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metaprobe.recommend.advice.belief import Belief, knowledge_gradient
from metaprobe.recommend.advice.lessons import Lessons
from metaprobe.recommend.advice.prices import Prices

# Smallest improvement worth a step, in accuracy: a twentieth of a point.
WORTH = 0.0005


@dataclass(frozen=True)
class Step:
    """What is done next: features of more images and a probe of them, or a configuration trained.

    Attributes:
        backbone: its place.
        rung: of the probe; None: training.
        configuration: that is trained.
    """

    backbone: int
    rung: int | None = None
    configuration: int | None = None


@dataclass(frozen=True)
class State:
    """What was seen of a data set so far.

    Attributes:
        images: backbone -> images whose features are there.
        probes: (backbone, rung) -> leave-one-out accuracy.
        trained: configuration -> accuracy on validation images.
        judged_on: configuration -> number of these, where it is not the policy's.
    """

    images: Mapping[int, int] = field(default_factory=dict)
    probes: Mapping[tuple[int, int], float] = field(default_factory=dict)
    trained: Mapping[int, float] = field(default_factory=dict)
    judged_on: Mapping[int, int] = field(default_factory=dict)

    def with_probe(self, step: Step, images: int, accuracy: float) -> "State":
        """Return the state after a probe."""
        assert step.rung is not None
        return replace(
            self,
            images={**self.images, step.backbone: images},
            probes={**self.probes, (step.backbone, step.rung): accuracy},
        )

    def with_training(
        self, step: Step, images: int, accuracy: float, judged_on: int | None = None
    ) -> "State":
        """Return the state after a training, for which features of so many images are there."""
        assert step.configuration is not None
        own = {} if judged_on is None else {step.configuration: judged_on}
        return replace(
            self,
            images={**self.images, step.backbone: images},
            trained={**self.trained, step.configuration: accuracy},
            judged_on={**self.judged_on, **own},
        )


@dataclass(frozen=True)
class Policy:
    """How the next step for one data set is chosen.

    Attributes:
        lessons: what is believed before.
        rungs: numbers of images of the probes of this data set.
        validation_images: on which trained configurations are judged, where a state does not say.
        left_out: backbones that cannot be had.
        untrainable: configurations that are out of the search.
    """

    lessons: Lessons
    rungs: list[int]
    validation_images: int
    left_out: frozenset[int] = frozenset()
    untrainable: frozenset[int] = frozenset()

    @cached_property
    def options(self) -> NDArray[np.int64]:
        """The configurations that can be advised: that can be trained, on a backbone that can be had."""
        backbone_of = self.lessons.candidates.backbone_of
        out = np.isin(backbone_of, list(self.left_out))
        out[list(self.untrainable)] = True
        return np.flatnonzero(~out)

    def belief(self, state: State) -> Belief:
        """Return what is believed after all that was seen.

        Of one backbone's probes only that of most images counts, as it holds the others' images.
        """
        belief = self.lessons.belief
        last = dict(sorted(state.probes))
        for backbone, rung in last.items():
            belief = belief.observe(
                self.lessons.probe_weights(backbone, rung),
                state.probes[backbone, rung],
                float(self.lessons.probe_variance[rung]),
            )
        for configuration, accuracy in state.trained.items():
            images = state.judged_on.get(configuration, self.validation_images)
            belief = belief.observe(
                self.lessons.own_weights(configuration), accuracy, _variance_of(accuracy, images)
            )
        return belief

    def best(self, state: State) -> int:
        """Return the configuration of the highest expected accuracy, trained or not."""
        return int(self.options[np.argmax(self.belief(state).mean[self.options])])

    def next_step(self, state: State, prices: Prices, remaining: float) -> Step | None:
        """Return the step that teaches most per second; None if none is worth it, or can be paid.

        If nothing else is worth its seconds, the best configuration is trained, to see that it holds.

        Args:
            remaining: seconds.
        """
        belief = self.belief(state)
        steps = [
            step
            for step in (*self._probes(state), *self._trainings(state))
            if self.price(step, state, prices) <= remaining
        ]
        if not steps:
            return None
        weights = np.stack([self._weights(step) for step in steps])
        variances = np.array([self._variance(step, belief) for step in steps])
        gains = knowledge_gradient(self._relative(belief), weights, variances, self.options)
        costs = np.array([self.price(step, state, prices) for step in steps])
        if (worth := gains >= WORTH).any():
            rates = np.where(worth, gains / np.maximum(costs, 1e-9), -1.0)
            return steps[int(np.argmax(rates))]
        best = int(self.options[np.argmax(belief.mean[self.options])])
        return next((step for step in steps if step.configuration == best), None)

    def price(self, step: Step, state: State, prices: Prices) -> float:
        """Return the seconds that a step takes."""
        there = state.images.get(step.backbone, 0)
        if step.configuration is not None:
            return prices.of_training(self.lessons.candidates, step.configuration, there)
        assert step.rung is not None
        return prices.of_probe(step.backbone, step.rung, there, self.rungs[step.rung])

    @property
    def _configurations(self) -> list[str]:
        return self.lessons.candidates.configurations

    def _probes(self, state: State) -> list[Step]:
        """Return the probes of more images than each backbone has had."""
        steps = []
        for backbone in dict.fromkeys(self.lessons.candidates.backbone_of[self.options].tolist()):
            done = max((rung for one, rung in state.probes if one == backbone), default=-1)
            there = state.images.get(backbone, 0)
            steps += [
                Step(backbone, rung=rung)
                for rung in range(done + 1, len(self.rungs))
                if self.rungs[rung] >= there or there == 0
            ]
        return steps

    def _trainings(self, state: State) -> list[Step]:
        backbone_of = self.lessons.candidates.backbone_of
        return [
            Step(int(backbone_of[number]), configuration=number)
            for number in self.options.tolist()
            if number not in state.trained
        ]

    def _relative(self, belief: Belief) -> Belief:
        """Return the belief as if what all configurations share were known: level and shortfalls.

        A single probe says little, as both are unknown; two say which backbone is better. A value that
        looks one step ahead would never begin.
        """
        count = len(self._configurations)
        level = np.zeros(len(belief.mean))
        level[:count] = 1 / count
        shortfalls = np.eye(len(belief.mean))[count:]
        for weights in (level, *shortfalls):
            belief = belief.observe(weights, float(weights @ belief.mean), 0.0)
        return belief

    def _weights(self, step: Step) -> NDArray[np.float64]:
        if step.configuration is not None:
            return self.lessons.own_weights(step.configuration)
        assert step.rung is not None
        return self.lessons.probe_weights(step.backbone, step.rung)

    def _variance(self, step: Step, belief: Belief) -> float:
        if step.configuration is not None:
            return _variance_of(float(belief.mean[step.configuration]), self.validation_images)
        assert step.rung is not None
        return float(self.lessons.probe_variance[step.rung])


def _variance_of(accuracy: float, images: int) -> float:
    """Return the variance of an accuracy on so many validation images."""
    share = min(max(accuracy, 0.02), 0.98)
    return share * (1 - share) / images


Observe = Callable[[Step, State], tuple[State, float]]


def follow(policy: Policy, prices: Prices, budget: float, observe: Observe) -> tuple[State, float]:
    """Take steps until the budget is spent or none is worth it; return the state and the seconds.

    Args:
        observe: takes a step; returns the new state and the seconds it took.
    """
    state, spent = State(), 0.0
    while (step := policy.next_step(state, prices, budget - spent)) is not None:
        state, seconds = observe(step, state)
        spent += seconds
    return state, spent
