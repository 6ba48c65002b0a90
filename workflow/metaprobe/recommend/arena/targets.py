"""What scores of transferability are to predict: the accuracies of backbones under one recipe."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metaprobe.recommend.advice.candidates import Candidates

Floats = NDArray[np.float64]

HEAD = "head"
FEWEST_BACKBONES = 3  # two are always in order or not


@dataclass(frozen=True)
class Target:
    """The accuracies of B backbones on T tasks, under one recipe.

    Attributes:
        backbones: B ids.
        accuracy: (T, B) on the test images.
        right: of each task (B, N): how often each test image is classified correctly, in [0, 1].
    """

    name: str
    backbones: list[str]
    accuracy: Floats
    right: list[Floats]


def targets_of(
    candidates: Candidates,
    accuracy: Floats,
    chosen_by: Floats | None,
    right: list[Floats],
) -> list[Target]:
    """Return what a run's metrics are judged by: the head first, then each recipe of its own.

    The head of a backbone is that of its configurations which train nothing but a head: the best of
    them on validation images, or, where not all have any, their mean, so that nothing is chosen on
    test images. A recipe is what at least FEWEST_BACKBONES backbones have in common.

    Args:
        accuracy: (T, C) on the test images.
        chosen_by: (T, C) on the validation images; None if not all have any.
        right: of each task (C, N), as in `Target`.
    """
    found = []
    heads = [_heads(candidates, backbone) for backbone in range(len(candidates.backbones))]
    there = [number for number, own in enumerate(heads) if len(own)]
    if len(there) >= FEWEST_BACKBONES:
        weights = [
            np.stack([_share(heads[one], chosen_by, task, accuracy.shape[1]) for one in there])
            for task in range(len(accuracy))
        ]
        found.append(
            Target(
                HEAD,
                [candidates.backbones[one] for one in there],
                np.stack([own @ accuracy[task] for task, own in enumerate(weights)]),
                [own @ right[task] for task, own in enumerate(weights)],
            )
        )
    for members in _recipes(candidates).values():
        backbones = [candidates.backbones[candidates.backbone_of[one]] for one in members]
        ids = [candidates.configurations[one] for one in members]
        target = Target(
            recipe_name(ids, {one.name for one in found}),
            backbones,
            accuracy[:, members],
            [one[members] for one in right],
        )
        if not any(_same(target, other) for other in found):
            found.append(target)
    return found


def recipe_name(configurations: list[str], taken: Collection[str] = ()) -> str:
    """Return what the ids have in common after a `-`, or the first of them if that is taken.

    >>> recipe_name(["resnet18-plain", "mobilenetv2-plain"])
    'plain'
    """
    endings = {one.partition("-")[2] for one in configurations}
    ending = next(iter(endings))
    common = len(endings) == 1 and ending and ending not in taken
    return ending if common else f"{configurations[0]} and its like"


def _heads(candidates: Candidates, backbone: int) -> NDArray[np.int64]:
    return np.flatnonzero((candidates.backbone_of == backbone) & candidates.only_head)


def _share(
    own: NDArray[np.int64], chosen_by: Floats | None, task: int, configurations: int
) -> Floats:
    """Return the weights (C,) by which a backbone's heads count."""
    shares = np.zeros(configurations)
    if chosen_by is None:
        shares[own] = 1 / len(own)
    else:
        shares[own[np.argmax(chosen_by[task, own])]] = 1.0
    return shares


def _recipes(candidates: Candidates) -> Mapping[int, list[int]]:
    """Return the configurations of each recipe that enough backbones have."""
    found: dict[int, list[int]] = {}
    for number, recipe in enumerate(candidates.recipe_of.tolist()):
        found.setdefault(recipe, []).append(number)
    return {key: own for key, own in found.items() if len(own) >= FEWEST_BACKBONES}


def _same(one: Target, other: Target) -> bool:
    return one.backbones == other.backbones and np.array_equal(one.accuracy, other.accuracy)
